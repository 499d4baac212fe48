"""A small drawn data set in VisDrone's official layout, to try things out where the real pictures are not at hand."""

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from yolo_attn.demo.scene import picture
from yolo_attn.visdrone import annotations

SPLITS = ("VisDrone2019-DET-train", "VisDrone2019-DET-val", "VisDrone2019-DET-test-dev")
RECIPE = "recipe.json"  # names what a finished set was drawn from
DRAWING = 1  # raised whenever the same arguments give other labels


def draw(
    root: str | Path,
    images: tuple[int, int, int] = (160, 40, 40),
    seed: int = 0,
    sizes: tuple[tuple[int, int], ...] = ((640, 480), (640, 360)),
    workers: int | None = None,
    progress: Callable[[list], Iterable] = iter,
) -> Path:
    """Draws root/SPLIT/{images,annotations,labels} for the three SPLITS and returns root.

    The set appears at `root` whole or not at all: it is drawn beside it and moved there at the end. Where the same set
    already lies at `root`, nothing is drawn; of several processes that start at once, one puts its set there and the
    others drop theirs. Annotations and labels follow from the arguments alone, pictures also from the OpenCV version.

    Args:
        root: Folder to make; it may exist if it is empty.
        images: How many pictures for train, val and test-dev, 1 or more each.
        seed: Another seed, other pictures.
        sizes: Widths and heights in pixels that pictures may have, at least 64 each.
        workers: Processes that draw, on Linux; None takes one per core. The result does not depend on it.
        progress: Wraps the list of tasks, as tqdm does.

    Raises:
        FileExistsError: `root` holds something else.
        ValueError: a count or size is out of range.
    """
    if len(images) != len(SPLITS) or min(images) < 1 or not sizes or min(map(min, sizes)) < 64:
        raise ValueError(
            f"demo set: images {images} and sizes {sizes} given; it needs three counts of 1 or more and sizes of "
            "64 pixels or more."
        )
    root = Path(root).absolute()
    recipe = {"drawing": DRAWING, "images": list(images), "seed": seed, "sizes": [list(size) for size in sizes]}
    if _holds(root, recipe):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as workshop:
        draft = Path(workshop) / root.name
        for split in SPLITS:
            for kind in ("images", "annotations", "labels"):
                (draft / split / kind).mkdir(parents=True)
        jobs = [(split, index) for split, count in enumerate(images) for index in range(count)]
        _draw_all(partial(_draw_one, draft, seed, sizes), jobs, workers or os.cpu_count() or 1, progress)
        (draft / RECIPE).write_text(json.dumps(recipe) + "\n")
        try:
            with suppress(FileNotFoundError):
                root.rmdir()  # an empty folder; Windows does not rename onto one
            draft.replace(root)
        except OSError:
            if not _holds(root, recipe):
                raise
    return root


def _draw_all(draw_one: Callable, jobs: list[tuple[int, int]], workers: int, progress: Callable) -> None:
    # Elsewhere new processes import the caller's script again, which is not ours to require it to be ready for.
    if workers == 1 or sys.platform != "linux":
        for job in progress(jobs):
            draw_one(*job)
        return
    # OpenCV's own threads do not survive a fork, hence 0 of them.
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, fork, initializer=cv2.setNumThreads, initargs=(0,)) as pool:
        tasks = [pool.submit(draw_one, *job) for job in jobs]
        try:
            for task in progress(tasks):
                task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _holds(root: Path, recipe: dict) -> bool:
    """Whether the finished set of this recipe lies at `root`; an error if anything else does."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    found = json.loads((root / RECIPE).read_text()) if (root / RECIPE).is_file() else None
    if found != recipe or not all((root / split / "images").is_dir() for split in SPLITS):
        raise FileExistsError(
            f"{root}: holds {found or 'files that are no demo set'}, not the whole set {recipe}; remove it or name "
            "another folder."
        )
    return True


def _draw_one(draft: Path, seed: int, sizes, split: int, index: int) -> None:
    rng = np.random.default_rng([seed, split, index])
    size = sizes[int(rng.integers(len(sizes)))]
    drawn = picture(rng, size)
    folder, name = draft / SPLITS[split], f"{split}_{index:05d}"
    _, content = cv2.imencode(".jpg", drawn.image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    (folder / "images" / f"{name}.jpg").write_bytes(content.tobytes())  # cv2.imwrite refuses some paths on Windows
    annotations.write(folder / "annotations" / f"{name}.txt", drawn.rows)
    labels = annotations.yolo_labels(drawn.rows, *size).labels
    annotations.write_labels(folder / "labels" / f"{name}.txt", labels)
