"""Official VisDrone detection files for a folder of images, from any Ultralytics detection model."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from yolo_attn.detection.visdrone_detector import Settings, load
from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.annotations import write
from yolo_attn.visdrone.sizes import IMAGE_SUFFIXES

SETTINGS_FILE = "settings.json"
DECIMALS = 6  # of scores and pixels


@dataclass(frozen=True)
class Predictions:
    """What a run did.

    Attributes:
        written: Detection files it made.
        kept: Detection files that an earlier run had made.
        unreadable: Images that cannot be read, and have no file.
        left_out: Classes of the model that VisDrone does not have.
    """

    written: int
    kept: int
    unreadable: tuple[str, ...]
    left_out: tuple[str, ...]


def predict(
    model: str | Path,
    images: str | Path,
    out: str | Path,
    settings: Settings | None = None,
    batch: int = 8,
    device: str | None = None,
    progress: Callable[[Sequence, str], Iterable] = lambda tasks, _title: tasks,
) -> Predictions:
    """A folder of images -> a detection file for each in `out`, rows by falling score.

    May be stopped and run again: a file appears whole, and one that is there is not made again. Images of one shape go
    through the model together, so that the padding of an image, and thus its boxes, do not depend on the others.

    Args:
        model: A checkpoint or an exported file. Its classes are known by name.
        images: Folder of images.
        out: Folder for the detection files and a note of what they were made with.
        settings: None is `Settings()`.
        batch: Images at once; an exported file of fixed size has its own number.
        device: As Ultralytics calls it; None is the first GPU, or the CPU where there is none.
        progress: Wraps a list of tasks, given a title, as tqdm does.

    Raises:
        FileNotFoundError: There is no such model, no such folder, or no image in it.
        FileExistsError: `out` holds detection files made otherwise.
        ValueError: The model is no detector of VisDrone's classes, or two images share a stem.
    """
    model, images, out = Path(model), Path(images), Path(out)
    if not model.exists():
        raise FileNotFoundError(f"{model}: not there; give a checkpoint, such as runs/detect/train/weights/best.pt")
    settings = settings or Settings()
    paths = _by_stem(images)
    note = {"model": _digest(model), "images": str(images.resolve())} | asdict(settings)
    _require_same(out, note)
    todo = [path for stem, path in paths.items() if not (out / f"{stem}.txt").exists()]
    kept, unreadable = len(paths) - len(todo), []
    if not todo:
        return Predictions(0, kept, (), ())
    detector, categories, batch = load(model, settings, batch, device)
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / SETTINGS_FILE, (json.dumps(note, indent=2) + "\n").encode())
    with ThreadPoolExecutor(min(batch, 8)) as readers:
        for part in progress([todo[start : start + batch] for start in range(0, len(todo), batch)], model.name):
            pictures = dict(zip(part, readers.map(_read, part), strict=True))
            unreadable += [str(path) for path, picture in pictures.items() if picture is None]
            for group in _same_shape(pictures):
                for path, result in zip(group, detector([pictures[path] for path in group]), strict=True):
                    _save(out / f"{path.stem}.txt", result.boxes.data.cpu().numpy(), categories)
    left_out = tuple(str(name) for kind, name in detector.model.names.items() if kind not in categories)
    return Predictions(len(todo) - len(unreadable), kept, tuple(unreadable), left_out)


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: not there; give the folder of images")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"{folder}: holds no image; expected files in {', '.join(sorted(IMAGE_SUFFIXES))}")
    stems = {path.stem: path for path in paths}
    if len(stems) < len(paths):
        twice = next(path for path in paths if stems[path.stem] != path)
        raise ValueError(f"{twice}: another image has the same stem; one detection file cannot serve two")
    return stems


def _digest(model: Path) -> str:
    """The file's name and a digest of its content; some exports are folders."""
    digest = hashlib.sha256()
    for file in sorted(path for path in model.rglob("*") if path.is_file()) if model.is_dir() else [model]:
        digest.update(file.read_bytes())
    return f"{model.name}, sha256 {digest.hexdigest()}"


def _require_same(out: Path, note: Mapping) -> None:
    """An error unless the files in `out`, if there are any, were made with what `note` says."""
    file = out / SETTINGS_FILE
    before = json.loads(file.read_text()) if file.is_file() else {}
    if not any(out.glob("*.txt")) or before == note:
        return
    odd = [
        f"{key} {before.get(key)!r}, now {note.get(key)!r}"
        for key in {**note, **before}
        if before.get(key) != note.get(key)
    ]
    made = f"made with {'; '.join(odd)}" if before else f"of unknown origin, as there is no {SETTINGS_FILE}"
    raise FileExistsError(f"{out}: holds detection files {made}; name another folder, or remove this one")


def _read(path: Path) -> np.ndarray | None:
    """(H, W, 3) BGR as stored, without EXIF rotation, as in `sizes`; None if there is no readable image."""
    content = np.fromfile(path, np.uint8)  # cv2.imread refuses some paths on Windows
    try:
        return cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if content.size else None
    except cv2.error:
        return None


def _same_shape(pictures: Mapping[Path, np.ndarray | None]) -> Iterator[list[Path]]:
    shapes = {path: picture.shape for path, picture in pictures.items() if picture is not None}
    for shape in dict.fromkeys(shapes.values()):
        yield [path for path in shapes if shapes[path] == shape]


def _save(path: Path, found: np.ndarray, categories: Mapping[int, int]) -> None:
    """(N, 6) xyxy, score, class -> the rows of a detection file, which appears in one step."""
    found = found[np.argsort(-found[:, 4], kind="stable")].astype(np.float64)
    rows = np.full((len(found), 8), -1.0)
    rows[:, :2], rows[:, 2:4], rows[:, 4] = found[:, :2], found[:, 2:4] - found[:, :2], found[:, 4]
    rows[:, 5] = [categories[int(kind)] for kind in found[:, 5]]
    draft = path.with_name(f"{path.name}.partial")
    write(draft, rows, DECIMALS)
    draft.replace(path)
