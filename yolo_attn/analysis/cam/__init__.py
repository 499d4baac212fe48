"""Class activation maps: which part of a feature map a score rests on, with two numbers that say whether to believe the map.

activation_maps.py  `activation_maps`: pictures and a checkpoint -> maps
activation_map.py   what is known of one map
explainer.py        maps of one score of a network, picture by picture
input_picture.py    a picture as the network reads it
scoring.py          networks of every task as one: images -> scores of classes at places
target.py           the score that is explained: of a class, or of a box
methods.py          Grad-CAM and EigenCAM by the library grad-cam
layers.py           the layer that is looked at
deletion.py         the score as the pixels that a map points at are removed
randomised.py       the map of the same network with shuffled weights
files.py            files that `yolo-attn cam` writes
"""

from yolo_attn.analysis.cam.activation_map import ActivationMap as ActivationMap
from yolo_attn.analysis.cam.activation_maps import activation_maps as activation_maps
