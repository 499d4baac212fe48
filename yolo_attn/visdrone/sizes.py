"""Image sizes for the evaluation, from image headers or from a CSV file: stem -> (width, height)."""

import csv
from pathlib import Path

from PIL import Image  # opens the header only; OpenCV can tell a size only by decoding the pixels

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})


def read_sizes(source: Path) -> dict[str, tuple[int, int]]:
    """A folder of images, or a CSV file with the columns image,width,height -> {stem: (width, height)}.

    Sizes are those stored in the header; an EXIF rotation is not applied (nor does the official toolkit apply it).

    Raises:
        FileNotFoundError: There is neither such a folder nor such a file, or the folder holds no image.
        ValueError: An image or a CSV row cannot be read, or two of them share a stem.
    """
    source = Path(source)
    if source.is_dir():
        return _from_images(source)
    if source.is_file():
        return _from_csv(source)
    raise FileNotFoundError(
        f"{source}: not there; give the folder of images, or a CSV file with the columns image,width,height"
    )


def _from_images(folder: Path) -> dict[str, tuple[int, int]]:
    sizes: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        try:
            with Image.open(path) as image:
                size = image.size
        except (OSError, ImportError) as error:  # Ultralytics makes Image.open import a plugin for unreadable files
            raise ValueError(f"{path}: no readable image ({error}); replace it or give the sizes as CSV") from error
        _add(sizes, path.name, size, str(folder))
    if not sizes:
        raise FileNotFoundError(f"{folder}: holds no image; expected files in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return sizes


def _from_csv(path: Path) -> dict[str, tuple[int, int]]:
    sizes: dict[str, tuple[int, int]] = {}
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = csv.DictReader(lines, skipinitialspace=True)
        if not {"image", "width", "height"} <= set(rows.fieldnames or ()):
            found = ",".join(rows.fieldnames or ()) or "an empty file"
            raise ValueError(f"{path}: the first line must name the columns image,width,height; found {found}")
        for row in rows:
            try:
                size = int(row["width"]), int(row["height"])
            except (TypeError, ValueError):
                size = 0, 0
            if min(size) < 1:
                raise ValueError(
                    f"{path}:{rows.line_num}: width and height must be whole numbers of at least 1;"
                    f" found {row['width']!r} and {row['height']!r}"
                )
            _add(sizes, row["image"], size, str(path))
    return sizes


def _add(sizes: dict[str, tuple[int, int]], name: str, size: tuple[int, int], source: str) -> None:
    stem = name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in IMAGE_SUFFIXES else name
    if stem in sizes:
        raise ValueError(f"{source}: two images are called {stem}; a text file could not say which one it describes")
    sizes[stem] = size
