"""One detector by whole pictures of several sizes and by tiles: official AP against pixels and seconds."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from yolo_attn.detection.presets import PROTOCOL
from yolo_attn.detection.tiled_detector import TileSettings
from yolo_attn.detection.visdrone_predict import predict_visdrone
from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.evaluation.evaluate import evaluate
from yolo_attn.visdrone.sizes import read_sizes


@dataclass(frozen=True)
class Way:
    """How pictures go through the detector."""

    imgsz: int | None = None  # pixels of the longer side; None is the size of the training or the export
    tiles: TileSettings | None = None  # None runs whole pictures

    def __str__(self) -> str:
        if self.tiles is None:
            return f"whole-{self.imgsz}" if self.imgsz else "whole"
        grid = self.tiles.grid
        cut = "{}x{}".format(*grid.counts) if grid.counts else str(grid.size)
        share = "" if self.tiles.adaptive is None else f"-adaptive-{self.tiles.adaptive:g}"
        return f"tiles-{cut}-overlap-{grid.overlap:g}{share}{'' if self.tiles.whole else '-only'}"


@dataclass(frozen=True)
class Row:
    """Result of one way. Numbers of the protocol are in percent."""

    way: str
    megapixels: float  # that the network ran over, for a picture
    seconds: float  # for a picture, from the file to the detection file
    official: dict[str, float]  # AP, AP50, AP75 and AR, by the official protocol
    ap_by_size: dict[str, float]  # AP of the objects of each range of sizes; not official
    best_for_pixels: bool = False  # no way with as many megapixels or fewer has a higher AP
    best_for_seconds: bool = False


def compare(
    model: str | Path,
    images: Path,
    annotations: Path,
    out: Path,
    ways: Sequence[Way],
    batch: int | None = None,
    device: str | None = None,
    progress: Callable[[Sequence, str], Iterable] = lambda tasks, _title: tasks,
) -> tuple[Row, ...]:
    """Run a model over a split in several ways, by the VisDrone protocol -> a row for each, by megapixels.

    May be stopped and run again: finished ways keep their pixels and seconds, others are continued.

    Args:
        model: A checkpoint or an exported file, of VisDrone's classes.
        images: Folder of the images.
        annotations: Folder of the official annotation files.
        out: Folder for the detection files, a folder for each way, and beside it a file with its megapixels and seconds.
        ways: What to compare; no two alike.
        batch: As for `open_detector`, also `device`.
        progress: Wraps a list of tasks, given a title, as tqdm does.

    Raises:
        FileExistsError, FileNotFoundError, OSError, ValueError: As for `predict_visdrone` and `evaluate`, or an image cannot be
            read.
    """
    out = Path(out)
    if not ways:
        raise ValueError("compare: no sizes and no tiles given; name at least one of them")
    repeated = {str(way) for way in ways if [str(other) for other in ways].count(str(way)) > 1}
    if repeated:
        raise ValueError(f"compare: {', '.join(sorted(repeated))} given more than once")
    sizes, rows = read_sizes(images), []
    for way in ways:
        settings, folder = replace(PROTOCOL, imgsz=way.imgsz), out / str(way)
        done = predict_visdrone(model, images, folder, settings, None, batch, device, progress, way.tiles)
        if done.unreadable:
            raise ValueError(done.unreadable[0])
        measured = out / f"{way}.json"
        if done.written:
            atomic_write(measured, json.dumps([done.megapixels, done.seconds]))
        megapixels, seconds = _measured(measured)
        scores = evaluate(annotations, folder, sizes, details=True)
        ap_by_size = {score.name: score.AP for score in scores.by_size or ()}
        rows.append(Row(str(way), megapixels, seconds, scores.official, ap_by_size))
    return marked(rows)


def to_json(rows: Sequence[Row]) -> str:
    """Rows -> an array of objects; NaN, an unknown number, is written as null."""
    content = json.loads(json.dumps([asdict(row) for row in rows]), parse_constant=lambda _: None)
    return json.dumps(content, indent=2) + "\n"


def marked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows by megapixels, the best at each budget marked."""

    def best(row: Row, budget: str) -> bool:
        affordable = [other for other in rows if getattr(other, budget) <= getattr(row, budget)]
        return row in affordable and row.official["AP"] >= max(other.official["AP"] for other in affordable)

    marked = [
        replace(row, best_for_pixels=best(row, "megapixels"), best_for_seconds=best(row, "seconds")) for row in rows
    ]
    return tuple(sorted(marked, key=lambda row: row.megapixels))


def _measured(file: Path) -> tuple[float, float]:
    """Return the megapixels and seconds that the last run of a way wrote, NaN if there are none."""
    try:
        megapixels, seconds = map(float, json.loads(file.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return math.nan, math.nan
    return megapixels, seconds
