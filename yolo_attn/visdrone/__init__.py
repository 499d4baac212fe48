"""VisDrone-DET: its text files, their preparation for YOLO training, and its official evaluation.

annotations      the text format: read, write, class names
labels           annotation rows -> YOLO labels, and why rows are left out
sizes            image sizes from headers or a CSV file
splits           the official folders and zips
archive          the zips -> images/ and annotations/
label_files      the files of labels and ignored regions of a split
prepared_files   text files that a preparation wrote and may replace
prepare          all of it for the splits of a folder, with a report (prepare_report)
evaluation/      the official protocol and COCO's
"""
