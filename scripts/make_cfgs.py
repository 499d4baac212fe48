"""Write the model files of cfg/ from the stock ones: python scripts/make_cfgs.py

A table of (base, layer, arguments, place) is all there is to maintain; `tests/test_cfgs.py` holds the committed files against it.
"""

import re
from pathlib import Path

from yolo_attn.models import rows

CFG = Path(__file__).parents[1] / "cfg"
LAYERS = {"EMA": [32], "CA": [32], "CBAM": [16], "ECA": [], "SA": [64]}
TABLE = [("yolov5", layer, args, "backbone-end") for layer, args in LAYERS.items()]
PLACES = {"backbone-end": "after the last stage of the backbone"}


def cfg(base: str, layer: str, args: list, place: str) -> str:
    """The text of one file: the stock model's rows with the layer put in, under comments of our own."""
    text = _without_comments(rows.find(f"{base}.yaml").read_text(encoding="utf-8"))
    for after in reversed(rows.places(text, place)):
        text = rows.insert(text, after, layer, args)
    lines = _without_comments(text).splitlines()
    for row in rows.parse(text):
        lines[row.line] += f" # {row.index}"
    header = f"# {base} with {layer} {PLACES[place]}. Written by scripts/make_cfgs.py from Ultralytics' {base}.yaml (AGPL-3.0)."
    return "\n".join([header, "", *lines, ""])


def _without_comments(text: str) -> str:
    text = re.sub(r"(?m)^[ \t]*#.*\n", "", text)
    text = re.sub(r"[ \t]*#.*", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main() -> None:
    """Write every file of the table."""
    for base, layer, args, place in TABLE:
        path = CFG / f"{base}-{layer.lower()}.yaml"
        path.write_text(cfg(base, layer, args, place), encoding="utf-8")
        print(path.name)


if __name__ == "__main__":
    main()
