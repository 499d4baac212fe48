"""Image sizes from image headers or from a CSV file: stem -> (width, height)."""

import csv
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from PIL import Image  # opens the header only; OpenCV can tell a size only by decoding the pixels

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
ORIENTATION, UPRIGHT, ROTATED_OR_FLIPPED = 0x0112, 1, range(2, 9)  # of EXIF: the tag and its values
MAX_SIDE = 1_000_000  # pixels; a number above it in a CSV file is no image size


def image_size(path: str | Path, upright: bool = False) -> tuple[int, int]:
    """Return (width, height) from the header of an image file; an EXIF rotation is not applied.

    Raises:
        ValueError: The file is no readable image, has more pixels than Pillow opens, or is not stored upright although `upright`
            asks for it.
    """
    orientation = UPRIGHT
    try:
        with Image.open(path) as image:
            size = image.size
            if upright and "exif" in image.info:  # without it, Pillow decodes the pixels of a PNG file to look for it
                orientation = image.getexif().get(ORIENTATION, UPRIGHT)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path}: more pixels than Pillow opens ({error}); make the image smaller") from error
    except Exception as error:  # Pillow's readers fail in many ways; Ultralytics adds an ImportError
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path}: no readable image ({reason}); replace it") from error
    if min(size) < 1:
        raise ValueError(f"{path}: an image of {size[0]} x {size[1]} pixels; replace it")
    if orientation in ROTATED_OR_FLIPPED:
        raise ValueError(
            f"{path}: its EXIF note (orientation {orientation}) turns the image in training, but not its annotations; remove the"
            " note, or store the image upright and annotate it so"
        )
    return size


def read_sizes(source: Path) -> dict[str, tuple[int, int]]:
    """Read a folder of images, or a CSV file with the columns image,width,height -> {stem: (width, height)}.

    Sizes are those stored in the header; an EXIF rotation is not applied (nor does the official toolkit apply it).

    Raises:
        FileNotFoundError: There is neither such a folder nor such a file, or the folder holds no image.
        ValueError: An image or a CSV row cannot be read, or two of them share a stem.
        OSError: The folder or the CSV file cannot be read.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(
            f"{source}: not there; give the folder of images, or a CSV file with the columns image,width,height"
        )
    sizes: dict[str, tuple[int, int]] = {}
    for name, size in _from_images(source) if source.is_dir() else _from_csv(source):
        stem = name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in IMAGE_SUFFIXES else name
        if stem in sizes:
            raise ValueError(
                f"{source}: two images are called {stem}; a text file could not say which one it describes"
            )
        sizes[stem] = size
    return sizes


def _from_images(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"{folder}: holds no image; expected files in {', '.join(sorted(IMAGE_SUFFIXES))}")
    for path in paths:
        yield path.name, image_size(path)


def _from_csv(path: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        rows = csv.DictReader(lines, skipinitialspace=True)
        try:
            columns = list(rows.fieldnames or ())
            if not {"image", "width", "height"} <= set(columns):
                given = ",".join(columns)[:80] or "an empty file"
                raise ValueError(f"{path}: the first line must name the columns image,width,height; found {given}")
            for row in rows:
                place, width, height = f"{path}:{rows.line_num}", row["width"], row["height"]
                if not (_is_side(width) and _is_side(height)):
                    raise ValueError(
                        f"{place}: width and height must be whole numbers, at most {MAX_SIDE:,} and at least 1;"
                        f" found {width and width[:80]!r} and {height and height[:80]!r}"
                    )
                name = PureWindowsPath(row["image"] or "").name  # a path of any system
                if not name:
                    raise ValueError(f"{place}: no image is named; the column image holds file names")
                yield name, (int(width), int(height))
        except csv.Error as error:
            raise ValueError(f"{path}:{rows.reader.line_num}: no CSV row of image,width,height ({error})") from error


def _is_side(value: str | None) -> bool:
    text = (value or "").strip()
    return text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= MAX_SIDE
