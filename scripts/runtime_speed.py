"""Time of a folder of images through an ONNX file: Ultralytics' predict against the predictor without torch. Prints Markdown.

python scripts/runtime_speed.py FILE.onnx FOLDER [rounds] [imgsz]
"""

import os
import statistics
import sys
import time
from pathlib import Path

import onnxruntime
import ultralytics
from measuring import commit, processor
from ultralytics import YOLO

from yolo_attn.detection.detector import cores
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.sources import files, pictures, read_image
from yolo_attn.detection.stream import DetectedPicture, detect_stream

file, folder = sys.argv[1:3]
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 11
size = int(sys.argv[4]) if len(sys.argv) > 4 else None
one, many = OnnxDetector(file, DetectionSettings(size)), OnnxDetector(file, DetectionSettings(size), at_once=cores())
size = size or max(one.imgsz)
paths = files(folder)
stock = YOLO(file, task="detect")
stock_settings = {"imgsz": size, "verbose": False}


def stock_folder():
    return sum(len(result.boxes) for result in stock.predict(folder, stream=True, **stock_settings))


def our_folder(detector):
    results = detect_stream(detector, pictures(paths))
    return sum(len(result.detections) for result in results if isinstance(result, DetectedPicture))


def timed(function, *arguments) -> float:
    start = time.perf_counter()
    function(*arguments)
    return (time.perf_counter() - start) / len(paths) * 1e3


ways = {
    "folder: `YOLO(file).predict(folder, stream=True)`": stock_folder,
    f"folder: `detect_stream(OnnxDetector(file, at_once={cores()}), ...)`": lambda: our_folder(many),
    "folder: `detect_stream(OnnxDetector(file), ...)`": lambda: our_folder(one),
    "one by one: `YOLO(file).predict(path)`": lambda: sum(
        len(stock.predict(str(path), **stock_settings)[0].boxes) for path in paths
    ),
    "one by one: `OnnxDetector(file)([image])`": lambda: sum(len(one([read_image(path)])[0]) for path in paths),
}
boxes = {way(): name for name, way in ways.items()}  # warms up, too
if len(boxes) > 1:
    raise SystemExit(f"the ways do not find the same boxes: {boxes}")
times = [[timed(way) for way in ways.values()] for _ in range(rounds)]
print(f"""`python {" ".join(["scripts/runtime_speed.py", Path(file).name, *sys.argv[2:]])}`, commit {commit()}, {processor()},
{cores()} cores shared with other work (load at the end {os.getloadavg()[0]:.1f}), onnxruntime {onnxruntime.__version__},
Ultralytics {ultralytics.__version__}. {len(paths)} images from disk, {size} pixels, {next(iter(boxes))} boxes by every way.
Milliseconds an image, median (quartiles) of {rounds} rounds in which the ways take turns; the ratio is the median of each round's.

| | ms | stock / this |
|---|---|---|""")
for column, name in enumerate(ways):
    low, middle, high = statistics.quantiles([row[column] for row in times], n=4)
    reference = 3 if name.startswith("one by one") else 0
    ratio = statistics.median(row[reference] / row[column] for row in times)
    print(f"| {name} | {middle:.1f} ({low:.1f} to {high:.1f}) | {ratio:.2f} |")
