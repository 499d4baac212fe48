"""The files of an analysis: NAME.json and NAME.csv with its numbers, NAME.png with a figure."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import ultralytics
from matplotlib.figure import Figure

from yolo_attn.storage import atomic_write


def write(out: Path, name: str, record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], figure: Figure) -> None:
    """Write a record with the versions in use, the rows of a table, and a figure into `out`, which is made if it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    versions = {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
    text, png = io.StringIO(), io.BytesIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    figure.savefig(png, dpi=150)
    atomic_write(out / f"{name}.json", json.dumps({**versions, **record}, indent=1, allow_nan=False) + "\n")
    atomic_write(out / f"{name}.csv", text.getvalue())
    atomic_write(out / f"{name}.png", png.getvalue())
