"""YOLO labels beside the images of the official VisDrone-DET folders, with an account of every row left out.

Nothing is moved, copied or deleted: labels/ and images.txt, the list of the annotated images, join images/ and
annotations/. The list is written last, so a split that has one is prepared. data/VisDrone.yaml names the lists for
this reason: Ultralytics runs its `download` only where the paths it names are missing.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from yolo_attn.processes import each
from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.annotations import NAMES, RowError, label_text, line_number, read, yolo_labels
from yolo_attn.visdrone.report import Outcome, Report, SplitReport, summary
from yolo_attn.visdrone.sizes import IMAGE_SUFFIXES
from yolo_attn.visdrone.splits import FOLDERS, extract, pending, require

LIST = "images.txt"
PACK = 50  # files for a process at a time


def _silent(tasks: Sequence, _title: str) -> Iterable:
    return tasks


def prepare(
    root: str | Path,
    splits: Sequence[str] = tuple(FOLDERS),
    progress: Callable[[Sequence, str], Iterable] = _silent,
) -> Report:
    """Adds labels/ and images.txt to root/VisDrone2019-DET-SPLIT, and says what it found.

    May be stopped at any moment and run again: a file is written in one step, and only if it does not hold already
    what it should. Zips that lie in `root` are extracted first and kept; a file that is there already stays.

    Args:
        root: Folder of the official folders or zips.
        splits: Some of train, val and test-dev.
        progress: Wraps a list of tasks, given a title, as tqdm does.

    Raises:
        FileNotFoundError: A split, its images or its annotations are not there.
        ValueError: There is no split of that name; or a zip, an annotation file or an image cannot be read. All bad
            files of a split are named, and its list is not written.
    """
    root = Path(root)
    require(root, splits)
    val_last = sorted(set(splits), key=lambda split: (split == "val", splits.index(split)))  # Ultralytics looks for val
    reports = {split: _prepare(root, split, progress) for split in val_last}
    return Report({split: reports[split] for split in FOLDERS if split in reports})


def _prepare(root: Path, split: str, progress: Callable) -> SplitReport:
    folder = root / FOLDERS[split]
    packed = pending(root, split)
    if packed:
        each(partial(extract, root, split), _packs(packed), progress, f"{folder.name}: zip, {PACK} files at a time")
    images = _by_stem(folder / "images", IMAGE_SUFFIXES)
    annotations = _by_stem(folder / "annotations", {".txt"})
    stems = [stem for stem in annotations if stem in images]
    if not stems:
        raise FileNotFoundError(
            f"{folder}: none of its {len(annotations)} annotation files has the name of one of its {len(images)} images"
        )
    labels, draft = folder / "labels", folder / "labels.partial"
    place = labels if labels.is_dir() else draft  # all of them appear at once the first time, later each by itself
    place.mkdir(exist_ok=True)
    pairs = _packs([(images[stem], annotations[stem]) for stem in stems])
    label = partial(_label, str(folder), place.name)
    done = each(label, pairs, progress, f"{folder.name}: labels, {PACK} files at a time")
    outcomes = [outcome for pack in done for outcome in pack]
    refused = [outcome.refused for outcome in outcomes if outcome.refused]
    if refused:
        raise ValueError(
            f"{folder}: {len(refused)} of {len(stems)} images get no labels; mend the files below, or take image and"
            " annotation away, and prepare again\n  " + "\n  ".join(refused)
        )
    if place == draft:
        draft.rename(labels)
    _put_if_new(f"{folder}/{LIST}", "".join(f"./images/{images[stem]}\n" for stem in stems).encode())
    return summary(folder, images, annotations, dict(zip(stems, outcomes, strict=True)), len(packed))


def _packs(things: list) -> list[list]:
    return [things[start : start + PACK] for start in range(0, len(things), PACK)]


def _by_stem(folder: Path, suffixes: set[str] | frozenset[str]) -> dict[str, str]:
    """File names of a folder by their stems, in order."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: not there; an official split has images/ and annotations/")
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in suffixes)
    stems = {name.rpartition(".")[0]: name for name in names}
    if len(stems) < len(names):
        twice = next(name for name in names if name not in stems.values())
        raise ValueError(f"{folder / twice}: another file there has the same stem; one label file cannot serve two")
    return stems


def _label(folder: str, place: str, pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
    """Makes the label files of some images and their annotations; one that cannot be read does not stop the others."""
    try:
        return _label_together(folder, place, pairs)
    except ValueError as error:
        if len(pairs) > 1:
            return [outcome for pair in pairs for outcome in _label(folder, place, [pair])]
        return [Outcome(refused=str(error))]


def _label_together(folder: str, place: str, pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
    # One pass over the rows of many files, and strings for paths, each save a fifth of the time.
    sizes = [_size(f"{folder}/images/{image}") for image, _ in pairs]
    rows = [read(f"{folder}/annotations/{annotation}") for _, annotation in pairs]
    starts = np.cumsum([0, *map(len, rows)])
    image = np.repeat(np.arange(len(pairs)), np.diff(starts))
    try:
        made = yolo_labels(np.concatenate(rows), *np.array(sizes)[image].T, image)
    except RowError as error:
        which = image[error.row]
        path = f"{folder}/annotations/{pairs[which][1]}"
        raise ValueError(f"{path}, line {line_number(path, error.row - starts[which])}: {error.problem}") from error
    left_out = [{} for _ in pairs]
    for reason, numbers in made.left_out.items():
        edges = np.searchsorted(numbers, starts)
        for which in np.flatnonzero(np.diff(edges)).tolist():
            left_out[which][reason] = (int(edges[which + 1] - edges[which]), int(numbers[edges[which]] - starts[which]))
    outcomes = []
    edges = np.searchsorted(made.rows, starts).tolist()
    for which, (_, annotation) in enumerate(pairs):
        labels = made.labels[edges[which] : edges[which + 1]]
        path = f"{folder}/{place}/{annotation.rpartition('.')[0]}.txt"
        written = _put_if_new(path, label_text(labels).encode(), stale=f"{folder}/labels.cache")
        boxes = np.bincount(labels[:, 0].astype(int), minlength=len(NAMES))
        outcomes.append(Outcome(boxes, left_out[which], written))
    return outcomes


def _size(image: str) -> tuple[int, int]:
    try:
        with Image.open(image) as opened:  # reads the header only
            return opened.size
    except (OSError, ImportError) as error:  # Ultralytics makes Image.open ask for a plugin if a file is unreadable
        raise ValueError(f"{image}: no readable image ({error})") from error


def _put_if_new(path: str, content: bytes, stale: str = "") -> bool:
    """Writes a file that does not hold this content yet; before that, removes what was made from its old content."""
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return False
    except FileNotFoundError:
        pass
    if stale:
        # Ultralytics up to 8.3 knows its cache by the labels' paths and total size, and another class keeps both.
        with suppress(FileNotFoundError):
            os.unlink(stale)
    if os.path.dirname(path).endswith(".partial"):
        with open(path, "wb") as file:
            file.write(content)
    else:
        atomic_write(path, content)
    return True
