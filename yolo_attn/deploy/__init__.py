"""From a checkpoint to a machine without torch: exported files that are checked, and 8-bit files.

export.py        the stock export, followed by the checks
parity.py        an exported file against its model, on random images of several shapes
outputs.py       raw outputs by their meaning: boxes, scores, keypoints; their differences, and which are allowed
feature_maps.py  feature maps inside an ONNX file against torch's
boxes.py         boxes after NMS, on pictures
runtimes.py      a file opened by its runtime: images in, raw outputs out
float32.py       OpenVINO in float32, also inside Ultralytics
note.py          the results of an export or a quantisation, written as JSON beside the file
quantize.py      static INT8 of a detector, with its accuracy and time
quantize_onnx.py     ... for onnxruntime
quantize_openvino.py ... for OpenVINO
calibration.py   the training images on which the scales of INT8 are calibrated
"""
