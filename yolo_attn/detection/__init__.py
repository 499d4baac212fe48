"""Detection: pictures in, boxes out, and the files that hold them.

sources         images, videos and folders of both, as a stream of pictures
presets         settings of a detection: DISPLAY and PROTOCOL
detections      boxes, scores and classes of one image
detector        base of the detectors: letterbox, batches, boxes back on the image
onnx_detector   ONNX files, opened, checked and run in onnxruntime, without torch
torch_detector  checkpoints, and every other format that Ultralytics opens; the only file that imports torch
opening         opens the detector for a file
tiled_detector  a detector over overlapping tiles of each picture
tile_merging    boxes of the tiles -> boxes of the picture
letterbox, nms  before and after the network
stream          a detector over many pictures, several at a time
output_folder   files that replace nothing but what an earlier run wrote
writers         drawn pictures, JSON, VisDrone files
drawing         boxes on an image
predict         sources through a detector into writers, for display
visdrone_predict  the same by the VisDrone protocol; can be interrupted
"""
