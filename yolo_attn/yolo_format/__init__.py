"""Data sets in YOLO format, as files: a picture in .../images/..., its boxes in .../labels/..., its ignored regions in .../ignored/...

rows         the rows of label files and of files of ignored regions: read, write, and where they lie
images       the pictures of a split and their sizes
tile_boxes   boxes of a picture -> labels and ignored regions of its tiles
tile_files   how pictures are cut, and the files of one picture's tiles
tile_split   a tiled copy of a split, with a report (tile_report)
tile_set     a tiled copy of a data set, with its data YAML
"""
