"""The VisDrone evaluation against pycocotools and faster-coco-eval, and the preparation against Ultralytics' converter.

python -m scripts.timing.visdrone evaluation|preparation [--rounds N]
"""

import ast
import contextlib
import io
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import typer
import yaml

from scripts import results
from scripts.timing.timer import interleaved, ratio, seconds
from yolo_attn.visdrone import annotations
from yolo_attn.visdrone.evaluation import coco
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.evaluation.submission import Submission, load
from yolo_attn.visdrone.prepare import prepare

IMAGES, DETECTIONS = 548, 500  # VisDrone val
CLASS_SHARES = np.array([0.228, 0.132, 0.033, 0.363, 0.051, 0.019, 0.027, 0.014, 0.007, 0.126])  # roughly val's
TRAINING_IMAGES, BOXES, SPLIT = 2000, 53, "VisDrone2019-DET-train"  # which has 53 boxes an image

app = typer.Typer(no_args_is_help=True)


def save(name: str, first: str, times: dict[str, list[float]], note: str, versions: tuple[str, ...]) -> None:
    """A row for each way: the median, every run, and the ratio to the first way."""
    base = next(iter(times.values()))
    rows = [
        (way, float(np.median(taken)), ", ".join(f"{value:.2f}" for value in taken), ratio(taken, base))
        for way, taken in times.items()
    ]
    results.save(name, (first, "median, s", "all runs, s", "/ yolo_attn"), rows, results.made(*versions), note)


@app.command()
def evaluation(rounds: int = 3) -> None:
    """A drawn set of the size of VisDrone val. The COCO evaluators start from data in memory, yolo_attn from files."""
    import pycocotools.coco
    import pycocotools.cocoeval
    from faster_coco_eval.core import COCO, COCOeval_faster

    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(name)
        files = folder / "annotations", folder / "detections", draw_detections(folder, np.random.default_rng(0))
        submission = load(*files)
        calls = {
            "yolo_attn, with reading": lambda: evaluate(*files),
            "the same, and AP by size, errors, curves": lambda: evaluate(*files, details=True),
            "faster-coco-eval": coco_call(COCO, COCOeval_faster, submission),
            "pycocotools": coco_call(pycocotools.coco.COCO, pycocotools.cocoeval.COCOeval, submission),
        }
        times = interleaved(calls, rounds, seconds)
        counts = evaluate(*files).counts
    note = ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in counts.items()) + "."
    save("visdrone-evaluation", "evaluator", times, note, ("numpy", "faster-coco-eval", "pycocotools"))


def draw_detections(folder: Path, rng: np.random.Generator) -> dict[str, tuple[int, int]]:
    """Write annotations/ and detections/ of IMAGES images and return their sizes."""
    for kind in ("annotations", "detections"):
        (folder / kind).mkdir()
    for index in range(IMAGES):
        count = rng.integers(20, 122)
        size = np.exp(rng.normal(3.3, 0.6, (count, 1))) * rng.uniform(0.7, 1.4, (count, 2))
        corner = rng.uniform(0, 1, (count, 2)) * ([1360, 765] - size).clip(1)
        category = rng.choice(10, (count, 1), p=CLASS_SHARES) + 1
        truth = np.hstack([np.rint(corner), np.rint(size).clip(1), rng.random((count, 1)) > 0.02, category])
        regions = np.rint(rng.uniform([0, 0, 20, 20, 0, 0], [1200, 650, 160, 110, 0, 0], (rng.integers(0, 5), 6)))
        detected = truth[rng.integers(0, count, DETECTIONS)]
        detected[:, :4] += rng.normal(0, 0.15, (DETECTIONS, 4)) * np.tile(detected[:, 2:4], 2)
        detected[:, 2:4] = detected[:, 2:4].clip(1)
        detected[:, 4] = np.sort(rng.beta(1, 4, DETECTIONS))[::-1].round(4)
        detected[rng.random(DETECTIONS) < 0.15, 5] = rng.integers(1, 11)
        for kind, rows in ("annotations", np.vstack([truth, regions])), ("detections", detected):
            annotations.write(folder / kind / f"{index:07d}.txt", np.pad(rows, ((0, 0), (0, 2))), decimals=4)
    return {f"{index:07d}": (1360, 765) for index in range(IMAGES)}


def coco_call(data_class: type, evaluator_class: type, submission: Submission) -> Callable[[], object]:
    """evaluate() and accumulate() over four area ranges, as a call without arguments."""
    data = data_class()
    data.dataset = coco.dataset(submission)
    data.createIndex()
    loaded = data.loadRes(coco.results(submission))

    def call() -> None:
        evaluator = evaluator_class(data, loaded, "bbox")
        evaluator.params.maxDets = [1, 10, 100, DETECTIONS]
        evaluator.evaluate()
        evaluator.accumulate()

    return call


@app.command()
def preparation(rounds: int = 7, folder: Path | None = None) -> None:
    """A drawn split of 2,000 images; each run gets hard links to one drawing, as Ultralytics' converter moves the images away."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        drawing = Path(name, "drawing")
        draw_split(drawing / SPLIT, np.random.default_rng(0))
        stock = ultralytics_converter()
        copies = itertools.count()

        def time_on_copy(convert: Callable[[Path], object]) -> float:
            copy = shutil.copytree(drawing, Path(name, str(next(copies))), copy_function=os.link)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                return seconds(lambda: convert(copy))

        converters = {
            "yolo_attn": lambda copy: prepare(copy, ["train"]),
            "Ultralytics": lambda copy: stock(copy, "train", SPLIT),
        }
        times = interleaved(converters, rounds, time_on_copy)
    note = f"{TRAINING_IMAGES:,} images with {BOXES} boxes on average."
    save("visdrone-preparation", "converter", times, note, ("ultralytics", "numpy", "pillow"))


def draw_split(folder: Path, rng: np.random.Generator) -> None:
    """Write one picture many times, each with random boxes that Ultralytics' converter does not stumble over."""
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True)
    _, picture = cv2.imencode(".jpg", rng.integers(0, 255, (135, 240, 3), dtype=np.uint8))
    for index in range(TRAINING_IMAGES):
        count = rng.poisson(BOXES)
        corner, size = rng.integers(0, [200, 100], (count, 2)), rng.integers(2, 35, (count, 2))
        kind = np.column_stack([np.ones(count), rng.integers(1, 11, count), np.zeros(count), rng.integers(0, 3, count)])
        (folder / "images" / f"{index:07d}.jpg").write_bytes(picture.tobytes())
        annotations.write(folder / "annotations" / f"{index:07d}.txt", np.hstack([corner, size, kind]))


def ultralytics_converter() -> Callable:
    """The function in Ultralytics' VisDrone.yaml, without the download around it."""
    import ultralytics

    file = Path(ultralytics.__file__).parent / "cfg" / "datasets" / "VisDrone.yaml"
    code = ast.parse(yaml.safe_load(file.read_text(encoding="utf-8"))["download"])
    code.body = [node for node in code.body if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)]
    names: dict = {}
    exec(compile(code, str(file), "exec"), names)
    return names["visdrone2yolo"]


if __name__ == "__main__":
    app()
