"""A folder of pictures through an ONNX file: Ultralytics' predict against the detector without torch.

python -m scripts.timing.predictor FILE.onnx FOLDER [--rounds 11] [--imgsz 416]
"""

from pathlib import Path

import typer
from ultralytics import YOLO

from scripts import results
from scripts.timing.timer import interleaved, ratio, seconds, spread
from yolo_attn.detection.detector import cores
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.sources import files, pictures, read_image
from yolo_attn.detection.stream import DetectedPicture, detect_stream


def main(file: Path, folder: Path, rounds: int = 11, imgsz: int | None = None) -> None:
    """Measure and save the table; every way must find the same boxes.

    The time is that on the clock, as the ways use different numbers of threads.
    """
    settings = DetectionSettings(imgsz)
    single, parallel = OnnxDetector(file, settings), OnnxDetector(file, settings, at_once=cores())
    size = imgsz or max(single.imgsz)
    paths, stock = files(folder), YOLO(str(file), task="detect")

    def stock_boxes(source: Path) -> int:
        return sum(len(result.boxes) for result in stock.predict(str(source), stream=True, imgsz=size, verbose=False))

    def boxes(detector: OnnxDetector) -> int:
        outcomes = detect_stream(detector, pictures(paths))
        return sum(len(outcome.detections) for outcome in outcomes if isinstance(outcome, DetectedPicture))

    ways = {
        "folder, `YOLO(file).predict(folder, stream=True)`": lambda: stock_boxes(folder),
        "folder, yolo_attn, a picture a core": lambda: boxes(parallel),
        "folder, yolo_attn, one picture at a time": lambda: boxes(single),
        "one by one, `YOLO(file).predict(path)`": lambda: sum(stock_boxes(path) for path in paths),
        "one by one, yolo_attn": lambda: sum(len(single([read_image(path)])[0]) for path in paths),
    }
    counts = {name: way() for name, way in ways.items()}
    if len(set(counts.values())) > 1:
        raise SystemExit(f"the ways do not find the same boxes: {counts}")
    times = interleaved(ways, rounds, lambda call: seconds(call) / len(paths) * 1e3)
    stock_of = {name: next(base for base in ways if base.split(",")[0] == name.split(",")[0]) for name in ways}
    rows = [(name, spread(taken), ratio(times[stock_of[name]], taken)) for name, taken in times.items()]
    note = f"{len(paths)} pictures, {size} px, {cores()} cores, {next(iter(counts.values()))} boxes by every way; {rounds} rounds."
    made = results.made("onnxruntime", "ultralytics")
    results.save("predictor", ("way", "ms a picture", "stock / this"), rows, made, note)


if __name__ == "__main__":
    typer.run(main)
