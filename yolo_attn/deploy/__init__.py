"""From a checkpoint to a machine without torch: exported files that are checked, and 8-bit files.

export.py        the stock export, and the proof that the file computes what the model computes
parity.py        raw outputs of the file against torch's, and by how much they may differ
feature_maps.py  feature maps inside an ONNX file against torch's
boxes.py         boxes after NMS, on pictures
runtimes.py      one function for each runtime that opens a file
note.py          what is known of a file, written as JSON beside it
quantize.py      static INT8 of a detector for onnxruntime, with its accuracy and time
"""
