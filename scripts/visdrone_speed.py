"""Time the VisDrone evaluation against pycocotools and faster-coco-eval on a drawn set of the size of VisDrone val.

Ours is timed with reading the files; the COCO evaluators without, evaluate() and accumulate() over four area ranges.
"""

import contextlib
import importlib.metadata
import io
import os
import platform
import tempfile
import timeit
from pathlib import Path

import numpy as np
import pycocotools.coco as slow_data
import pycocotools.cocoeval as slow
from faster_coco_eval.core import COCO, COCOeval_faster
from measuring import commit, processor

from yolo_attn.visdrone import annotations
from yolo_attn.visdrone.evaluation import coco
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.evaluation.submission import load

IMAGES, DETECTIONS, RUNS = 548, 500, 3
SHARE = np.array(
    [0.228, 0.132, 0.033, 0.363, 0.051, 0.019, 0.027, 0.014, 0.007, 0.126]
)  # of the classes, roughly val's


def draw(folder: Path, rng: np.random.Generator) -> dict[str, tuple[int, int]]:
    """Write annotations/ and detections/ of IMAGES images and return their sizes."""
    for kind in ("annotations", "detections"):
        (folder / kind).mkdir()
    for index in range(IMAGES):
        count = rng.integers(20, 122)
        size = np.exp(rng.normal(3.3, 0.6, (count, 1))) * rng.uniform(0.7, 1.4, (count, 2))
        corner = rng.uniform(0, 1, (count, 2)) * ([1360, 765] - size).clip(1)
        category = rng.choice(10, (count, 1), p=SHARE) + 1
        truth = np.hstack([np.rint(corner), np.rint(size).clip(1), rng.random((count, 1)) > 0.02, category])
        regions = np.rint(rng.uniform([0, 0, 20, 20, 0, 0], [1200, 650, 160, 110, 0, 0], (rng.integers(0, 5), 6)))
        found = truth[rng.integers(0, count, DETECTIONS)]
        found[:, :4] += rng.normal(0, 0.15, (DETECTIONS, 4)) * np.tile(found[:, 2:4], 2)
        found[:, 2:4] = found[:, 2:4].clip(1)
        found[:, 4] = np.sort(rng.beta(1, 4, DETECTIONS))[::-1].round(4)
        found[rng.random(DETECTIONS) < 0.15, 5] = rng.integers(1, 11)
        for kind, rows in ("annotations", np.vstack([truth, regions])), ("detections", found):
            annotations.write(folder / kind / f"{index:07d}.txt", np.pad(rows, ((0, 0), (0, 2))), decimals=4)
    return {f"{index:07d}": (1360, 765) for index in range(IMAGES)}


def coco_seconds(data_class, judge_class, submission) -> float:
    data = data_class()
    data.dataset = coco.dataset(submission)
    data.createIndex()
    judge = judge_class(data, data.loadRes(coco.results(submission)), "bbox")
    judge.params.maxDets = [1, 10, 100, DETECTIONS]
    return timeit.timeit(lambda: (judge.evaluate(), judge.accumulate()), number=1)


with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
    folder = Path(name)
    files = folder / "annotations", folder / "detections", draw(folder, np.random.default_rng(0))
    read = load(*files)
    times = []
    for _ in range(RUNS):
        ours = timeit.timeit(lambda: evaluate(*files), number=1)
        times += [(ours, coco_seconds(COCO, COCOeval_faster, read), coco_seconds(slow_data.COCO, slow.COCOeval, read))]
    counts = evaluate(*files).counts
versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "faster-coco-eval", "pycocotools")]
print(
    f"{counts}\n\nPython {platform.python_version()}, {', '.join(versions)}; {processor()}, {os.cpu_count()} cores; commit {commit()}"
)
print(f"\n| evaluator | median of {RUNS} | all runs | median / ours |\n|---|---|---|---|")
for name, row in zip(("yolo_attn, with reading", "faster-coco-eval", "pycocotools"), np.transpose(times), strict=True):
    ratio = np.median(row) / np.median(times, 0)[0]
    print(f"| {name} | {np.median(row):.2f} s | {', '.join(f'{t:.2f}' for t in row)} | {ratio:.1f} |")
