"""Data sets in YOLO format, as files: a picture in .../images/..., its boxes in .../labels/..., its ignored regions in .../ignored/...

rows     the rows of label files and of files of ignored regions: read, write, and where they lie
"""
