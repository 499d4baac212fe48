"""HTML pages in one file: everything they show is inside, so they open without a network. base.html has their look."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_KINDS = {".png": "png", ".jpg": "jpeg"}


def render(template: Path, **values: Any) -> str:
    """Fill in a Jinja template that extends base.html. Every value is escaped, unless it is `markupsafe.Markup`."""
    folders = [template.parent, Path(__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(**values)


def image_address(image: np.ndarray, suffix: str, quality: int = 95) -> str:
    """RGB image (H, W, 3), uint8 -> a `data:` address that holds it as .png, or as .jpg of a quality from 0 to 100."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)[1].tobytes()
    return f"data:image/{_KINDS[suffix]};base64,{base64.b64encode(data).decode()}"
