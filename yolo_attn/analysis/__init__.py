"""The behaviour of a trained model.

layer_gates.py         `gates`: what attention layers multiply by, over a whole set of images
attention_layers.py    the attention layers of a network; a layer run with its gate read or replaced
recording.py           all gates read while a network runs
gate_statistics.py     these gates in numbers
objects.py             the same inside and outside of boxes, by class and by size
counterfactual.py      the scores with a layer's gate replaced
detection_scores.py    the scores of a detector over any choice of images
official_scores.py     predictions of `val` as VisDrone's protocol reads them
gate_report.py         files that `yolo-attn gates` writes
gate_maps.py           heat maps of the gates: a sheet
gate_page.py           the same as a page to click through
cam/                   `activation_maps`: what a score rests on, by Grad-CAM and EigenCAM
rotation.py            accuracy of a classifier on rotated images
report.py              files of either analysis
evaluation.py          a trained model and the images that it is measured on
trained_detector.py    by Ultralytics' `val`
trained_classifier.py  a folder of images
checkpoint.py          opening of a checkpoint
"""

from yolo_attn.analysis.cam import activation_maps as activation_maps
from yolo_attn.analysis.layer_gates import Gates as Gates
from yolo_attn.analysis.layer_gates import gates as gates
