"""The behaviour of a trained classifier.

trained_classifier.py  a checkpoint and the folder of images that it is measured on
rotation.py            accuracy on rotated images
channel_gates.py       by what attention layers multiply the channels
gate_statistics.py     these gates in numbers, by layer and by stage
gate_report.py         files that `yolo-attn gates` writes
report.py              files of either analysis
"""
