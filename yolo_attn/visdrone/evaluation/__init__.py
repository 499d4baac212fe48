"""The official VisDrone-DET evaluation, and COCO's in a column of its own.

evaluate         folders of text files -> an Evaluation: calls the files below in this order
submission       reads the files, and warns of what a careful person should look at
official         the official protocol: ignored regions, matching, AP and AR
ignored_regions  which boxes the ignored regions remove
matching         which detection takes which ground truth box
coco             COCO's protocol by faster-coco-eval
result           Evaluation, the numbers and their means
"""
