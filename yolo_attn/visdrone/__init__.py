"""VisDrone-DET: its text files, their preparation for YOLO training, and its official evaluation.

annotations      the text format: read, write, class names
labels           annotation rows -> YOLO labels, and why rows are left out
sizes            image sizes from headers or a CSV file
splits           the official folders and zips
archive          the zips -> images/ and annotations/
label_files      the label files of a split
prepare          all of it for the splits of a folder, with a report (prepare_report)
evaluation/      the official protocol and COCO's
"""
