"""Time `prepare` against Ultralytics' own VisDrone converter on a drawn split of 2,000 images; prints a Markdown table.

The converter is taken from the `download` code of the installed Ultralytics. It moves the images away, so each run of either gets
a folder of its own, hard links to one drawing. They take turns; a run of theirs starts as ours does, with no labels.
"""

import ast
import contextlib
import importlib.metadata
import io
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import timeit
from pathlib import Path

import cv2
import numpy as np
import ultralytics
import yaml

from yolo_attn.visdrone import annotations
from yolo_attn.visdrone.prepare import prepare

IMAGES, BOXES, RUNS = 2000, 53, 5  # as many boxes per image as VisDrone's train set has
SPLIT = "VisDrone2019-DET-train"


def draw(folder: Path, rng: np.random.Generator) -> None:
    """Write one picture IMAGES times, each with random boxes that Ultralytics' converter does not stumble over."""
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True)
    _, picture = cv2.imencode(".jpg", rng.integers(0, 255, (135, 240, 3), dtype=np.uint8))
    for index in range(IMAGES):
        count = rng.poisson(BOXES)
        corner, size = rng.integers(0, [200, 100], (count, 2)), rng.integers(2, 35, (count, 2))
        kind = np.column_stack([np.ones(count), rng.integers(1, 11, count), np.zeros(count), rng.integers(0, 3, count)])
        region = [[10, 10, 50, 20, 0, 0, 0, 0]]
        (folder / "images" / f"{index:07d}.jpg").write_bytes(picture.tobytes())
        annotations.write(folder / "annotations" / f"{index:07d}.txt", np.vstack([np.hstack([corner, size, kind]), region]))


def their_converter():
    """The function in Ultralytics' VisDrone.yaml, without the download around it."""
    file = Path(ultralytics.__file__).parent / "cfg" / "datasets" / "VisDrone.yaml"
    code = ast.parse(yaml.safe_load(file.read_text(encoding="utf-8"))["download"])
    code.body = [node for node in code.body if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)]
    names = {}
    exec(compile(code, str(file), "exec"), names)
    return names["visdrone2yolo"]


def seconds(convert, drawing: Path, folder: Path) -> float:
    shutil.copytree(drawing, folder, copy_function=os.link)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return timeit.timeit(lambda: convert(folder), number=1)


with tempfile.TemporaryDirectory() as name:
    drawing, theirs = Path(name, "drawing"), their_converter()
    draw(drawing / SPLIT, np.random.default_rng(0))
    times = [
        (
            seconds(lambda folder: prepare(folder, ["train"]), drawing, Path(name, f"ours{run}")),
            seconds(lambda folder: theirs(folder, "train", SPLIT), drawing, Path(name, f"theirs{run}")),
        )
        for run in range(RUNS)
    ]
    again = timeit.timeit(lambda: prepare(Path(name, "ours0"), ["train"]), number=1)
commit = subprocess.getoutput("git rev-parse --short --verify -q HEAD") or "uncommitted"
cpu = next(line[13:] for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("ultralytics", "numpy", "pillow"))
print(f"`python scripts/visdrone_prepare_speed.py`: {IMAGES} images; {cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f};")
print(f"Python {platform.python_version()}, {versions}; commit {commit}\n\n| converter | median of {RUNS} | all runs | / ours |\n|---|---|---|---|")
for name, row in zip(("yolo_attn", "Ultralytics"), zip(*times, strict=True), strict=True):
    ratio = statistics.median(theirs / ours for (ours, _), theirs in zip(times, row, strict=True))
    print(f"| {name} | {statistics.median(row):.2f} s | {', '.join(f'{t:.2f}' for t in row)} | {ratio:.2f} |")
print(f"| yolo_attn, nothing to do | {again:.2f} s | | |")
