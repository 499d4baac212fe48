"""Time `prepare` against Ultralytics' own VisDrone converter on a drawn split of 2,000 images; prints a Markdown table.

The converter is taken from the `download` code of the installed Ultralytics. It moves the images away, so each run of
either gets a folder of its own, hard links to one drawing. They take turns, and turns in going first. An argument
names the folder to work in, by default the system's for temporary files.
"""

import ast
import contextlib
import importlib.metadata
import io
import os
import platform
import shutil
import statistics
import sys
import tempfile
import timeit
from pathlib import Path

import cv2
import numpy as np
import ultralytics
import yaml
from measuring import command, commit, processor

from yolo_attn.visdrone import annotations
from yolo_attn.visdrone.prepare import prepare

IMAGES, BOXES, RUNS, SPLIT = 2000, 53, 7, "VisDrone2019-DET-train"  # which has 53 boxes an image


def draw(folder: Path, rng: np.random.Generator) -> None:
    """Write one picture IMAGES times, each with random boxes that Ultralytics' converter does not stumble over."""
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True)
    _, picture = cv2.imencode(".jpg", rng.integers(0, 255, (135, 240, 3), dtype=np.uint8))
    for index in range(IMAGES):
        count = rng.poisson(BOXES)
        corner, size = rng.integers(0, [200, 100], (count, 2)), rng.integers(2, 35, (count, 2))
        kind = np.column_stack([np.ones(count), rng.integers(1, 11, count), np.zeros(count), rng.integers(0, 3, count)])
        (folder / "images" / f"{index:07d}.jpg").write_bytes(picture.tobytes())
        annotations.write(folder / "annotations" / f"{index:07d}.txt", np.hstack([corner, size, kind]))


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


with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as name:
    drawing, theirs = Path(name, "drawing"), their_converter()
    draw(drawing / SPLIT, np.random.default_rng(0))
    converters = {"yolo_attn": lambda at: prepare(at, ["train"]), "Ultralytics": lambda at: theirs(at, "train", SPLIT)}
    times = {who: [] for who in converters}
    for run in range(RUNS):
        for who in sorted(converters, reverse=bool(run % 2)):
            times[who].append(seconds(converters[who], drawing, Path(name, f"{who}{run}")))
    again = timeit.timeit(lambda: prepare(Path(name, "yolo_attn0"), ["train"]), number=1)
versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("ultralytics", "numpy", "pillow"))
print(f"`{command()}`: {processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
print(f"Python {platform.python_version()}, {versions}; commit {commit()}\n")
print(f"| converter | median of {RUNS} | all runs | / ours, median of the ratios |\n|---|---|---|---|")
for who, row in times.items():
    ratio = statistics.median(mine / ours for mine, ours in zip(row, times["yolo_attn"], strict=True))
    print(f"| {who} | {statistics.median(row):.2f} s | {', '.join(f'{t:.2f}' for t in row)} | {ratio:.2f} |")
print(f"| yolo_attn, nothing to do | {again:.2f} s | | |")
