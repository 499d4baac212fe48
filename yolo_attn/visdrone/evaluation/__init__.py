"""The official VisDrone-DET evaluation, and COCO's in a column of its own.

evaluate         the official protocol: folders of text files -> an Evaluation, by the files below
submission       reads the files, and warns of what a careful person should look at
ignored_regions  finds the boxes that the ignored regions remove
pooled           the rows of all images that are left, and the pairs that may match
matching         assigns detections to ground truth boxes
curves           average precision, and precision over recall
coco             COCO's protocol by faster-coco-eval
by_size          AP and recall of ranges of object sizes, not official
errors           hits, misses, false alarms and confused classes, not official
result           Evaluation, the numbers and their means
plots, gallery   figures, and the worst pictures; they need matplotlib
"""
