"""The pictures of a split, and their sizes."""

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)  # of EXIF: the tag, and the values that swap width and height


def images_of(sources: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the pictures that the entry of a split in a data YAML names: folders, pictures, or text files that list pictures.

    Raises:
        FileNotFoundError: An entry is not there, or there is no picture.
        ValueError: Two pictures have one name and would get the same tiles.
    """
    entries = [sources] if isinstance(sources, str | Path) else list(sources)
    found: list[Path] = []
    for entry in map(Path, entries):
        if entry.is_dir():
            found += (path for path in entry.rglob("*") if path.suffix.lower() in SUFFIXES)
        elif entry.suffix.lower() in SUFFIXES:
            found.append(entry)
        else:
            lines = entry.read_text(encoding="utf-8-sig").split("\n")
            found += (
                # As Ultralytics reads it: `./` is the folder of the list
                Path(os.path.abspath(entry.parent / name[2:]) if name.startswith("./") else name)
                for name in map(str.strip, lines)
                if Path(name).suffix.lower() in SUFFIXES
            )
    by_stem: dict[str, Path] = {}
    for path in sorted(found):
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise ValueError(f"{path}: {other} has the same name, and tiles are named after their picture; rename one")
    if not by_stem:
        raise FileNotFoundError(
            f"{', '.join(map(str, entries))}: no picture there; expected {', '.join(sorted(SUFFIXES))}"
        )
    return list(by_stem.values())


def seen_size(path: Path) -> tuple[int, int]:
    """Return (width, height) of a picture as training sees it, rotated by its EXIF orientation, from the header alone.

    Raises:
        ValueError: The file is no readable image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(_ORIENTATION) in _SIDEWAYS
    except Exception as error:  # Pillow's readers fail in many ways
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path}: no readable image ({reason}); replace it") from error
    return (height, width) if sideways else (width, height)
