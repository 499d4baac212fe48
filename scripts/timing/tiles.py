"""Pictures of 3840 x 2160 in tiles: SAHI against the detector on tiles, with the same file, settings and boxes.

python -m scripts.timing.tiles FILE.pt FILE.onnx [--number 4] [--rounds 5] [--conf 0.25]
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
import typer
from sahi import AutoDetectionModel
from sahi.predict import get_sliced_prediction

from scripts import results
from scripts.timing.timer import interleaved, ratio, seconds, spread
from yolo_attn.demo import SPLITS, draw
from yolo_attn.detection.detector import cores
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.opening import open_detector
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.sources import files, pictures
from yolo_attn.detection.stream import DetectedPicture, detect_stream
from yolo_attn.detection.tiled_detector import TiledDetector, TileSettings
from yolo_attn.detection.torch_detector import TorchDetector
from yolo_attn.tiling import TileGrid

TILE, SAHI_BATCHES = 640, (1, 8)  # 1 is SAHI's default
MOST = 5000  # boxes of a tile and of a picture: all
ALONE = "the network alone"
AGREEMENT = 0.02  # share of the boxes that other batch sizes may round over a threshold

Ways = dict[str, Callable[[], int]]


def main(checkpoint: Path, onnx: Path, number: int = 4, rounds: int = 5, conf: float = 0.25) -> None:
    """Measure and save the table. Times are those on the clock, from the files to the boxes; every way finds the same boxes.

    The pass over the whole picture and the rule for cut boxes are off, as SAHI has no such rule.
    """
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw(Path(folder) / "set", (1, number, 1), sizes=((3840, 2160),))
        paths = files(drawn / SPLITS[1] / "images")
        ways = {
            (runtime, name): way
            for runtime, file in (("torch", checkpoint), ("onnxruntime", onnx))
            for name, way in ways_of(file, paths, conf).items()
        }
        counts = {name: way() for name, way in ways.items() if name[1] != ALONE}
        require_same_boxes(counts)
        times = interleaved(ways, rounds, lambda call: seconds(call) / len(paths) * 1e3)
    rows = []
    for (runtime, name), taken in times.items():
        ours, alone = times[runtime, "yolo_attn"], times[runtime, ALONE]
        rows.append((runtime, name, spread(taken), ratio(taken, ours), ratio(taken, alone)))
    windows = len(TileGrid(TILE).windows(2160, 3840))
    note = (
        f"{len(paths)} drawn pictures of 3840 x 2160, {windows} tiles of {TILE} each, {cores()} cores,"
        f" {np.median([*counts.values()]) / len(paths):.0f} boxes a picture by every way; {rounds} rounds."
    )
    made = results.made("sahi", "ultralytics", "onnxruntime", "torch")
    results.save("tiles", ("runtime", "way", "ms a picture", "/ yolo_attn", "/ the network alone"), rows, made, note)


def ways_of(file: Path, paths: list[Path], conf: float) -> Ways:
    """The calls that find all boxes of one file; each returns their number."""
    settings = DetectionSettings(imgsz=TILE, conf=conf, max_det=MOST)
    tiles = TileSettings(TileGrid(TILE), whole=False, keep_cut=True)
    detector = open_detector(file, settings, tiles=tiles)
    assert isinstance(detector, TiledDetector)
    device = "cpu" if file.suffix == ".onnx" else None  # None is the first GPU, if there is one
    model = AutoDetectionModel.from_pretrained(
        "ultralytics", str(file), confidence_threshold=conf, image_size=TILE, device=device
    )
    model.model.overrides["max_det"] = MOST  # its adapter leaves Ultralytics' 300

    def ours() -> int:
        outcomes = detect_stream(detector, pictures(paths))
        return sum(len(outcome.detections) for outcome in outcomes if isinstance(outcome, DetectedPicture))

    def sahi(batch: int) -> int:
        found = (
            get_sliced_prediction(
                str(path),
                model,
                TILE,
                TILE,
                perform_standard_pred=False,
                postprocess_type="NMS",
                postprocess_match_metric="IOU",
                verbose=0,
                batch_size=batch,
            )
            for path in paths
        )
        return sum(len(result.object_prediction_list) for result in found)

    alone = network_alone(detector, len(paths) * len(TileGrid(TILE).windows(2160, 3840)))
    by_sahi = {f"SAHI, batch {batch}": lambda batch=batch: sahi(batch) for batch in SAHI_BATCHES}
    return {"yolo_attn": ours, ALONE: alone} | by_sahi


def network_alone(detector: TiledDetector, tiles: int) -> Callable[[], int]:
    """A call that runs the network over as many tiles, as many at once as the detector does, and nothing else: the floor."""
    network = detector._network
    blob = cv2.dnn.blobFromImages([np.full((TILE, TILE, 3), 114, np.uint8)] * detector.batch, 1 / 255)

    @torch.inference_mode()
    def run(_: int) -> None:
        if isinstance(network, OnnxDetector):
            network._session.run(None, {network._input: blob})
        elif isinstance(network, TorchDetector):
            with network._idle_network() as idle:
                idle(torch.from_numpy(blob).to(idle.device))

    def call() -> int:
        with ThreadPoolExecutor(detector.at_once) as workers:
            return len(list(workers.map(run, range(-(-tiles // detector.batch)))))

    return call


def require_same_boxes(counts: dict[tuple[str, str], int]) -> None:
    """End unless all ways of a runtime find the same number of boxes, but for a few on the edge of a threshold."""
    for runtime in {runtime for runtime, _ in counts}:
        found = [count for (name, _), count in counts.items() if name == runtime]
        if max(found) - min(found) > AGREEMENT * max(found):
            raise SystemExit(f"the ways do not find the same boxes: {counts}")


if __name__ == "__main__":
    typer.run(main)
