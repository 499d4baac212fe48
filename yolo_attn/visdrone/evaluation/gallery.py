"""The pictures with the most errors, with hits, misses and false alarms drawn into copies of them."""

import io
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.evaluation.errors import Errors, Picture
from yolo_attn.visdrone.sizes import IMAGE_SUFFIXES

# People with a colour vision deficiency can tell these apart (Okabe and Ito); false alarms are dashed as well.
HIT, MISS, FALSE_ALARM, REGION = "#56b4e9", "#d55e00", "#f0e442", "#bbbbbb"
DASH = 4  # pixels


def write(folder: Path, errors: Errors, images: Path, most: int = 12) -> list[str]:
    """Write worst-01.jpg, worst-02.jpg, ... into `folder`, at most `most`; pictures without an error stay out.

    Args:
        folder: Made if it is not there.
        errors: Those of `Evaluation.errors`.
        images: Folder of the pictures; their names without suffix are those of the annotation files.
        most: Number of pictures.

    Returns:
        The names of the files.

    Raises:
        OSError: A picture cannot be read or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {path.stem: path for path in sorted(images.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
    worst = [picture for picture in errors.pictures if picture.errors][:most]
    names = [f"worst-{number:02}.jpg" for number in range(1, len(worst) + 1)]
    for name, picture in zip(names, worst, strict=True):
        with Image.open(paths[picture.stem]) as image:
            drawn = draw(image.convert("RGB"), picture)  # an EXIF rotation is not applied, as in the annotations
        jpeg = io.BytesIO()
        drawn.save(jpeg, "JPEG", quality=90)
        atomic_write(folder / name, jpeg.getvalue())
    return names


def draw(image: Image.Image, picture: Picture) -> Image.Image:
    """Draw the boxes of a picture into `image` (RGB), below a line that names it and the colours; return the whole."""
    width = max(1, round(sum(image.size) / 1500))
    pen = ImageDraw.Draw(image)
    for box in _corners(picture.ignored_regions):
        pen.rectangle(box, outline=REGION, width=width)
        pen.line((box[0], box[1], box[2], box[3]), fill=REGION, width=width)  # crossed out
        pen.line((box[0], box[3], box[2], box[1]), fill=REGION, width=width)
    for box in _corners(picture.hits):
        pen.rectangle(box, outline=HIT, width=width)
    for box in _corners(picture.misses):
        pen.rectangle(box, outline=MISS, width=width + 1)
    for box in _corners(picture.false_alarms):
        _dashed(pen, box, width)
    return _captioned(image, picture)


def _corners(rows: np.ndarray) -> list[list[float]]:
    """Rows of left, top, width, height, ... -> left, top, right, bottom."""
    boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4].clip(0)], 1).clip(-1e5, 1e5)
    return [*map(list, boxes.tolist())]


def _dashed(pen: ImageDraw.ImageDraw, box: list[float], width: int) -> None:
    left, top, right, bottom = (round(value) for value in box)
    for x in range(left, right, 2 * DASH):
        for y in (top, bottom):
            pen.line((x, y, min(x + DASH, right), y), fill=FALSE_ALARM, width=width)
    for y in range(top, bottom, 2 * DASH):
        for x in (left, right):
            pen.line((x, y, x, min(y + DASH, bottom)), fill=FALSE_ALARM, width=width)


def _captioned(image: Image.Image, picture: Picture) -> Image.Image:
    """Put a line above the image: its name, and the number of boxes of each colour in that colour."""
    size = max(10, image.width // 60)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    whole = Image.new("RGB", (image.width, image.height + 2 * size), "black")
    whole.paste(image, (0, 2 * size))
    pen, x = ImageDraw.Draw(whole), size / 2
    for text, colour in (
        (picture.stem, "white"),
        (f"{len(picture.hits)} hits", HIT),
        (f"{len(picture.misses)} misses", MISS),
        (f"{len(picture.false_alarms)} false alarms (dashed)", FALSE_ALARM),
        ("ignored regions", REGION),
    ):
        pen.text((x, size / 2), text, fill=colour, font=font)
        x += pen.textlength(text, font=font) + size
    return whole
