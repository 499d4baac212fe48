"""The official VisDrone-DET evaluation, and COCO's in a column of its own.

evaluate         the official protocol: folders of text files -> an Evaluation, by the files below
submission       reads the files, and warns of what a careful person should look at
ignored_regions  finds the boxes that the ignored regions remove
matching         assigns detections to ground truth boxes
coco             COCO's protocol by faster-coco-eval
result           Evaluation, the numbers and their means
"""
