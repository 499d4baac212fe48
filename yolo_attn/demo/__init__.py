"""A small drawn data set in VisDrone's official layout, to try things out where the real pictures are not at hand.

Files: scene (a picture with its annotation), town and site (what stands where), objects and scenery (shapes made of
solids), view (the camera).
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from yolo_attn.demo.scene import draw_picture
from yolo_attn.storage import atomic_write
from yolo_attn.visdrone import annotations
from yolo_attn.visdrone.labels import yolo_labels
from yolo_attn.visdrone.splits import FOLDERS
from yolo_attn.yolo_format.rows import rows_text

SPLITS = tuple(FOLDERS.values())
RECIPE = "recipe.json"  # names what a finished set was drawn from
DRAWING = 1  # raised whenever the same arguments give other labels


def draw(
    root: str | Path,
    images: tuple[int, int, int] = (160, 40, 40),
    seed: int = 0,
    sizes: tuple[tuple[int, int], ...] = ((640, 480), (640, 360)),
    progress: Callable[[list[tuple[int, int]]], Iterable[tuple[int, int]]] = iter,
    crowds: bool = False,
) -> Path:
    """Draw root/SPLIT/{images,annotations,labels} for the three SPLITS and return root.

    The set appears at `root` whole or not at all: it is drawn beside it and moved there at the end. Where the same set
    already lies at `root`, nothing is drawn; of several processes that start at once, one puts its set there and the
    others drop theirs. Annotations and labels follow from the arguments alone, pictures also from the OpenCV version.

    Args:
        root: Folder to make; it may exist if it is empty.
        images: Number of pictures for train, val and test-dev, 1 or more each.
        seed: Another seed gives other pictures.
        sizes: Widths and heights in pixels that pictures may have, at least 64 each.
        progress: Wraps the list of tasks, as tqdm does.
        crowds: Draw a sharp crowd, an ignored region of the annotation, into about half of the pictures, and add root/SPLIT/ignored, the
            regions for training, and root/SPLIT/truth, annotations in which the crowd is annotated too.

    Raises:
        FileExistsError: `root` holds something else.
        ValueError: A count or size is out of range.
        OSError: A file cannot be written.
    """
    if len(images) != len(SPLITS) or min(images) < 1 or not sizes or min(map(min, sizes)) < 64:
        raise ValueError(
            f"demo set: images {images} and sizes {sizes} given; it needs three counts of 1 or more and sizes of "
            "64 pixels or more."
        )
    root = Path(root).absolute()
    recipe = {"drawing": DRAWING, "images": list(images), "seed": seed, "sizes": [list(size) for size in sizes]}
    # Absent otherwise, as in sets that were drawn before there was the option.
    recipe |= {"crowds": True} if crowds else {}
    if _holds(root, recipe):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as workshop:
        draft = Path(workshop) / root.name
        for split in SPLITS:
            for kind in ("images", "annotations", "labels", *(("ignored", "truth") if crowds else ())):
                (draft / split / kind).mkdir(parents=True)
        jobs = [(number, index) for number, count in enumerate(images) for index in range(count)]
        for number, index in progress(jobs):
            _draw_files(draft, seed, sizes, number, index, crowds)
        atomic_write(draft / RECIPE, json.dumps(recipe) + "\n", durable=True)
        try:
            with suppress(FileNotFoundError):
                root.rmdir()  # an empty folder; Windows does not rename onto one
            draft.replace(root)
        except OSError:
            if not _holds(root, recipe):
                raise
    return root


def _holds(root: Path, recipe: dict) -> bool:
    """Tell whether the finished set of this recipe lies at `root`; refuse anything else there."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    found = None
    if (root / RECIPE).is_file():
        with suppress(ValueError):  # damaged
            found = json.loads((root / RECIPE).read_text(encoding="utf-8"))
    if found != recipe or not all((root / split / "images").is_dir() for split in SPLITS):
        raise FileExistsError(
            f"{root}: holds {found or 'files that are no demo set'}, not the whole set {recipe}; remove it or name "
            "another folder."
        )
    return True


def _draw_files(
    draft: Path, seed: int, sizes: tuple[tuple[int, int], ...], split: int, index: int, crowds: bool
) -> None:
    """Write the picture, the annotation and the labels of one number of a split."""
    rng = np.random.default_rng([seed, split, index])
    size = sizes[int(rng.integers(len(sizes)))]
    drawn = draw_picture(rng, size, crowds)
    folder, name = draft / SPLITS[split], f"{split}_{index:05d}"
    _, content = cv2.imencode(".jpg", drawn.image, [cv2.IMWRITE_JPEG_QUALITY, 92])
    atomic_write(folder / "images" / f"{name}.jpg", content.tobytes())  # cv2.imwrite refuses some paths on Windows
    annotations.write(folder / "annotations" / f"{name}.txt", drawn.rows)
    atomic_write(folder / "labels" / f"{name}.txt", rows_text(yolo_labels(drawn.rows, *size).labels))
    if crowds:
        atomic_write(folder / "ignored" / f"{name}.txt", rows_text(yolo_labels(drawn.rows, *size).regions))
        annotations.write(folder / "truth" / f"{name}.txt", drawn.truth)
