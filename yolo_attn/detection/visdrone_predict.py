"""Official VisDrone detection files for a folder of images, in runs that may be interrupted."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from yolo_attn.detection.detections import VISDRONE_DECIMALS
from yolo_attn.detection.detector import Detector, model_path
from yolo_attn.detection.opening import open_detector
from yolo_attn.detection.presets import MOST_ROWS, PROTOCOL, DetectionSettings
from yolo_attn.detection.sources import IMAGES, UnreadableError, files, pictures
from yolo_attn.detection.stream import detect_stream
from yolo_attn.detection.tiled_detector import TileSettings
from yolo_attn.storage import atomic_write, digest
from yolo_attn.visdrone.annotations import NAMES, categories_of, write

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class VisdronePredictions:
    """Outcome of a run."""

    written: int  # detection files it made
    kept: int  # detection files that an earlier run had made
    unreadable: tuple[str, ...]  # a line for each image that cannot be read, and has no file
    left_out: tuple[str, ...]  # classes of the model that VisDrone does not have


def predict_visdrone(
    model: str | Path,
    images: str | Path,
    out: str | Path,
    settings: DetectionSettings = PROTOCOL,
    at_once: int | None = None,
    batch: int | None = None,
    device: str | None = None,
    progress: Callable[[Sequence, str], Iterable] = lambda tasks, _title: tasks,
    tiles: TileSettings | None = None,
) -> VisdronePredictions:
    """A folder of images -> a detection file for each in `out`, rows by falling score.

    May be stopped and run again: a file appears whole, and one that is there is not made again.

    Args:
        model: A checkpoint or an exported file. Its classes are known by name.
        images: Folder of images, or one image.
        out: Folder for the detection files and a note of what they were made with.
        settings: Settings of the detection; `classes` becomes those that VisDrone has.
        at_once: As for `open_detector`, also `batch` and `device`.
        progress: Wraps a list of tasks, given a title, as tqdm does.
        tiles: How images are cut into tiles; None runs whole images.

    Raises:
        FileNotFoundError: There is no such model, no such folder, or no image in it.
        FileExistsError: `out` holds detection files made otherwise, or a note that is damaged or from another program.
        OSError: A file cannot be written.
        ValueError: The model is no detector of VisDrone's classes, two images share a stem, or `max_det` is above 500.
    """
    model, out = model_path(model), Path(out)
    if settings.max_det > MOST_ROWS:
        raise ValueError(
            f"max_det {settings.max_det}: VisDrone's protocol looks at no more than {MOST_ROWS} rows a file"
        )
    paths = files(images, IMAGES)
    _require_own_stems(paths)
    about_model = f"{model.name}, sha256 {digest(model)}"
    about_tiles = asdict(tiles) if tiles else None
    requested = {"model": about_model, "images": str(Path(images).resolve()), **asdict(settings), "tiles": about_tiles}
    note = _matching_note(out, json.loads(json.dumps(requested)))
    todo = [path for path in paths if not (out / f"{path.stem}.txt").exists()]
    if not todo:
        return VisdronePredictions(written=0, kept=len(paths), unreadable=(), left_out=tuple(note["left_out"]))
    detector = open_detector(model, settings, at_once, batch, device, tiles)
    categories = _all_categories(detector)
    left_out = tuple(name for index, name in detector.names.items() if index not in categories)
    detector.settings = replace(settings, classes=tuple(categories) if left_out else None)
    used = {"input_size": detector.imgsz, "left_out": left_out}
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / SETTINGS_FILE, json.dumps(requested | used, indent=2) + "\n")
    unreadable = []
    results = detect_stream(detector, pictures(todo, settings.apply_exif))
    for path, result in zip(progress(todo, model.name), results, strict=True):
        if isinstance(result, UnreadableError):
            unreadable.append(str(result))
        else:
            write(out / f"{path.stem}.txt", result.detections.as_visdrone(categories), VISDRONE_DECIMALS)
    written, kept = len(todo) - len(unreadable), len(paths) - len(todo)
    return VisdronePredictions(written=written, kept=kept, unreadable=tuple(unreadable), left_out=left_out)


def _require_own_stems(paths: Iterable[Path]) -> None:
    stems: dict[str, Path] = {}
    for path in paths:
        other = stems.setdefault(path.stem.casefold(), path)
        if other != path:
            raise ValueError(f"{path}: {other.name} has the same stem; one detection file cannot serve two images")


def _matching_note(out: Path, requested: Mapping) -> Mapping:
    """Return the note in `out`, empty if there is none; an error unless its detection files were made as requested."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out}: is a file; name a folder for the detection files")
    present, file = [*out.glob("*.txt")], out / SETTINGS_FILE
    for path in present:
        if path.is_dir():
            raise FileExistsError(f"{path}: is a folder where a detection file belongs; name another folder with --out")
    note: Mapping = {}
    made = f"of unknown origin, as there is no {SETTINGS_FILE}"
    if file.exists():
        with suppress(ValueError):  # damaged
            note = json.loads(file.read_bytes())
        if not (isinstance(note, dict) and requested.keys() | {"left_out"} <= note.keys()):
            raise FileExistsError(
                f"{file}: damaged, or no note of yolo-attn visdrone predict; name another folder, or remove this one"
            )
        differing = [f"{key} {note[key]!r}, now {value!r}" for key, value in requested.items() if note[key] != value]
        made = f"made with {'; '.join(differing)}" if differing else ""
    if present and made:
        raise FileExistsError(f"{out}: holds detection files {made}; name another folder, or remove this one")
    return note


def _all_categories(detector: Detector) -> dict[int, int]:
    """Return {class of the model: VisDrone category}, with all of VisDrone's."""
    categories = categories_of(detector.names)
    missing = [name for category, name in enumerate(NAMES, 1) if category not in categories.values()]
    if missing:
        raise ValueError(
            f"{detector.file}: knows no class {', '.join(missing)}; its classes are"
            f" {', '.join(detector.names.values())[:200]}. VisDrone detections need a model trained on the names in"
            " data/VisDrone.yaml"
        )
    return categories
