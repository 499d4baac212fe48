"""From a checkpoint to a machine without torch: exported files that are checked, and a predictor that runs them.

export.py     the stock export, and the proof that the file computes what the model computes
parity.py     the comparison behind that proof
runtime.py    a predictor with numpy, OpenCV and onnxruntime only; letterbox.py, nms.py, detections.py, draw.py and sources.py are its parts
predict.py    a folder, an image or a video through the predictor, into pictures, JSON and VisDrone files
"""
