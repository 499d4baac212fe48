"""The files of the tiles of one picture."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from yolo_attn.storage import atomic_write
from yolo_attn.tiling import TileGrid
from yolo_attn.yolo_format.images import seen_size
from yolo_attn.yolo_format.rows import IGNORED, LABELS, beside, read_labels, read_regions, rows_text
from yolo_attn.yolo_format.tile_boxes import Tile, tiles_of
from yolo_attn.yolo_format.tile_report import TileReport

SMALLEST = 32  # pixels: the largest stride of a YOLO
QUALITY = 95  # of the JPEG files of tiles


@dataclass(frozen=True)
class Tiling:
    """How pictures are cut.

    Raises:
        ValueError: A value is out of range.
    """

    grid: TileGrid
    min_visible: float = 0.3  # share of a box's area in a tile from which it is a label there
    empty: float = 0.1  # share of the tiles without a label that stay

    def __post_init__(self) -> None:
        if self.grid.size is not None and self.grid.size < SMALLEST:
            raise ValueError(
                f"tiles: {self.grid.size} pixels; a tile is no smaller than a network's stride, {SMALLEST}"
            )
        if not (0 < self.min_visible <= 1 and 0 <= self.empty <= 1):
            raise ValueError(
                f"tiles: visible share {self.min_visible}, share of empty tiles {self.empty}; the first lies above 0"
                " and at most at 1, the second in 0..1"
            )

    @property
    def name(self) -> str:
        """A name for folders: tiles-640 or tiles-3x2."""
        return f"tiles-{self.grid.size}" if self.grid.counts is None else "tiles-{}x{}".format(*self.grid.counts)

    def stays(self, name: str) -> bool:
        """Whether a tile without a label stays; its name decides, not the order of the pictures."""
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") < self.empty * 2**48


def tile_picture(image: Path, out: Path, tiling: Tiling) -> tuple[TileReport, list[str]]:
    """Write the tiles of one picture; return the counts and the names of the tiles."""
    width, height = seen_size(image)
    labels, regions = _rows(beside(image, LABELS), 5), _rows(beside(image, IGNORED), 4)
    boxes = np.empty((0, 5)) if labels is None else labels
    ignored = np.empty((0, 4)) if regions is None else regions
    tiles = tiles_of(boxes, ignored, tiling.grid.windows(height, width), width, height, tiling.min_visible)
    stems = [f"{image.stem}_x{tile.window[0]}_y{tile.window[1]}" for tile in tiles]
    kept = {stem: tile for stem, tile in zip(stems, tiles, strict=True) if len(tile.labels) or tiling.stays(stem)}
    for stem, tile in kept.items():
        _write_text(out / LABELS / f"{stem}.txt", rows_text(tile.labels))
        _write_text(out / IGNORED / f"{stem}.txt", rows_text(tile.regions))
    suffix = ".jpg" if image.suffix.lower() in (".jpg", ".jpeg") else ".png"  # PNG keeps what is not lossy already
    written = _write_pictures(image, (width, height), {out / "images" / f"{s}{suffix}": t for s, t in kept.items()})
    shown = {int(source) for tile in kept.values() for source in tile.sources}
    counts = TileReport(pictures=1, boxes=len(boxes), unlabelled=int(labels is None), regionless=int(regions is None))
    counts = replace(
        counts, tiles=len(kept), thinned=len(tiles) - len(kept), lost=len(boxes) - len(shown), written=written
    )
    return sum(map(_counts, kept.values()), counts), [f"{stem}{suffix}" for stem in kept]


def _counts(tile: Tile) -> TileReport:
    return TileReport(
        empty=int(not len(tile.labels)),
        labels=len(tile.labels),
        cut=tile.cut,
        remainders=tile.remainders,
        regions=len(tile.regions) - tile.remainders,
    )


def _rows(path: Path, columns: int) -> np.ndarray | None:
    """The rows of a label file or a file of ignored regions; None if there is no file."""
    try:
        return read_labels(path) if columns == 5 else read_regions(path)
    except FileNotFoundError:
        return None


def _write_text(path: Path, text: str) -> None:
    with suppress(FileNotFoundError):
        if path.read_bytes() == text.encode():
            return
    path.parent.with_suffix(".cache").unlink(missing_ok=True)  # Ultralytics up to 8.3 may not notice a changed label
    atomic_write(path, text)


def _write_pictures(image: Path, size: tuple[int, int], tiles: dict[Path, Tile]) -> int:
    """Write those pictures of tiles that are missing or older than their source; return their number."""
    changed = image.stat().st_mtime_ns
    missing = {path: tile for path, tile in tiles.items() if not path.exists() or path.stat().st_mtime_ns < changed}
    if not missing:
        return 0
    # Rotated by EXIF as in training; cv2.imread refuses some paths on Windows.
    pixels = cv2.imdecode(np.fromfile(image, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None or pixels.shape[1::-1] != size:
        found = "nothing" if pixels is None else "{} x {} pixels".format(*pixels.shape[1::-1])
        raise ValueError(f"{image}: OpenCV reads {found}, the header says {size[0]} x {size[1]} pixels; replace it")
    for path, tile in missing.items():
        left, top, right, bottom = tile.window
        # OpenCV 5 warns of options that it ignores.
        options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if path.suffix == ".jpg" else []
        _, content = cv2.imencode(path.suffix, pixels[top:bottom, left:right], options)
        atomic_write(path, content.tobytes())
    return len(missing)
