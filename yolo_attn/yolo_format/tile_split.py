"""A tiled copy of the pictures of a split, with labels and ignored regions."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from yolo_attn.parallel import Progress, no_progress, parallel_map
from yolo_attn.storage import atomic_write, folder_lock
from yolo_attn.yolo_format.rows import IGNORED, LABELS
from yolo_attn.yolo_format.tile_files import Tiling, tile_picture
from yolo_attn.yolo_format.tile_report import TileReport

LIST, RECIPE = "images.txt", "tiles.json"


def tile_split(
    images: Sequence[Path], out: Path, tiling: Tiling, progress: Progress = no_progress, timeout: float = 600
) -> TileReport:
    """Write the tiles of pictures to out/images, labels and ignored, list them in out/images.txt, and report.

    A tile is called STEM_xLEFT_yTOP after its picture and its place there. May be stopped at any moment and run again: a file is written in
    one step, and only if it does not hold already what it should. The list is written last, so a split that has one is complete.

    Args:
        images: Pictures of different stems; their labels and ignored regions lie beside them.
        out: Folder to make, or one that holds tiles of the same kind.
        tiling: How pictures are cut.
        progress: Wraps a list of tasks, given a title, as tqdm does.
        timeout: Seconds to wait for another process that tiles into `out`.

    Raises:
        FileExistsError: `out` holds something else, or another process works on it.
        ValueError: A picture or a label file cannot be read, or no tile holds a box.
        OSError: A file cannot be read or written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with folder_lock(out, f"{out}: another process writes tiles there", timeout):
        _claim(out, images, tiling)
        for part in ("images", LABELS, IGNORED):
            (out / part).mkdir(exist_ok=True)
        done = parallel_map(lambda image: tile_picture(image, out, tiling), images, progress, f"{out.name}: pictures")
        report = sum((part for part, _ in done), TileReport())
        names = [name for _, made in done for name in made]
        if not names:
            raise ValueError(
                f"{out}: none of the {report.thinned:,} tiles of {report.pictures:,} pictures holds a box, and none without is kept;"
                " check the label files, or keep a share of empty tiles"
            )
        if hasattr(os, "sync"):
            os.sync()  # the list vouches for every file before it, also after a power cut
        content = "".join(f"./images/{name}\n" for name in names).encode()
        if not (out / LIST).is_file() or (out / LIST).read_bytes() != content:
            atomic_write(out / LIST, content, durable=True)
    return report


def _claim(out: Path, images: Sequence[Path], tiling: Tiling) -> None:
    """Note in a new folder what its tiles are; refuse a folder that holds others."""
    grid = tiling.grid
    recipe: dict[str, object] = {
        "source": _from(out.resolve(), images[0].parent.resolve()),
        "size": grid.size,
        "counts": grid.counts and list(grid.counts),
        "overlap": grid.overlap,
        "min_visible": tiling.min_visible,
        "empty": tiling.empty,
    }
    found: object = None
    if (out / RECIPE).is_file():
        found = f"a damaged {RECIPE}"
        with suppress(ValueError):
            found = json.loads((out / RECIPE).read_text(encoding="utf-8"))
    elif any(path.name not in (".lock", f"{RECIPE}.partial") for path in out.iterdir()):
        found = "files that are no tiles"
    if found not in (None, recipe):
        raise FileExistsError(f"{out}: holds {found}, not {recipe}; remove it or name another folder")
    if found is None:
        atomic_write(out / RECIPE, json.dumps(recipe) + "\n", durable=True)


def _from(folder: Path, other: Path) -> str:
    """Return the way from a folder to another, which stays when both are moved."""
    try:
        return Path(os.path.relpath(other, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return other.as_posix()
