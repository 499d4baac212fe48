"""Write the model files of cfg/ from the stock ones: python -m scripts.maintain.cfg

A table of (base, layer, arguments, place) is all there is to maintain; `tests/test_cfgs.py` holds the files against it.
"""

import re
from pathlib import Path

import typer

from yolo_attn.model_yaml import edit, inside, places, rows
from yolo_attn.plugin.files import find

CFG = Path(__file__).parents[2] / "cfg"
LAYERS = {"EMA": [32], "CA": [32], "CBAM": [16], "ECA": [], "SA": [64]}
ON_P2 = LAYERS | {"SA": [32]}  # the most that split the neck's narrowest map, 64 channels at scale n
TABLE = [
    ("yolov5-p2", None, [], ""),
    ("yolov5-v6", None, [], ""),
    ("yolov5-v6-p2", None, [], ""),
    *(("yolov5-v6", layer, args, "backbone-end") for layer, args in LAYERS.items()),
    *(("yolov5-v6-p2", layer, args, "neck-blocks") for layer, args in ON_P2.items()),
    *(("yolov5", layer, args, "backbone-end") for layer, args in LAYERS.items()),
    *(("yolov5-p2", layer, args, "neck-blocks") for layer, args in ON_P2.items()),
    *((family, "EMA", [32], "backbone-end") for family in ("yolov8", "yolo11", "yolo26")),
    *(
        (family, "EMA", [8], "inside") for family in ("yolov5", "yolov8", "yolo11", "yolo26")
    ),  # 8 splits all widths, 16 and up
]
PLACES = {
    "backbone-end": "after the last stage of the backbone",
    "inside": "in every bottleneck of the backbone, before its shortcut",
    "neck-blocks": "after each C3 of the neck but the one at stride 32",  # as the EMA paper's parameter counts show
}
HEADS = {  # (a YOLOv5, v6.0): what a reader must know, as two families share the name
    (True, True): ". The anchor-based head of YOLOv5 v6.0, as the EMA paper trained it",
    (True, False): ". Ultralytics' anchor-free head; yolov5-v6*.yaml have the anchor-based one of YOLOv5 v6.0",
    (False, False): "",
}
# The neck of YOLOv5 v6.0, led one level further; P2 has the width of P3, as in the EMA paper's baseline.
TOP_DOWN = ((512, 6), (256, 4), (256, 2))  # width, row of the backbone joined
BOTTOM_UP = ((256, 18, 256), (256, 14, 512), (512, 10, 1024))  # of the step, row of the neck joined, width


def p2_head() -> str:
    """The rows of the head, a blank line after each level."""
    up = '  - [-1, 1, Conv, [{0}, 1, 1]]\n  - [-1, 1, nn.Upsample, [None, 2, "nearest"]]\n'
    join = "  - [[-1, {1}], 1, Concat, [1]]\n  - [-1, 3, C3, [{2}, False]]\n"
    levels = [(up + join).format(width, row, width) for width, row in TOP_DOWN]
    levels += [("  - [-1, 1, Conv, [{0}, 3, 2]]\n" + join).format(*level) for level in BOTTOM_UP]
    return "\n".join(["head:", "\n".join(levels), "  - [[21, 24, 27, 30], 1, Detect, [nc]]\n"])


def name(base: str, layer: str | None, args: list, place: str) -> str:
    """The name of one file."""
    suffix = "-inside" if place == "inside" else ""
    return f"{base}-{layer.lower()}{suffix}.yaml" if layer else f"{base}.yaml"


def cfg(base: str, layer: str | None, args: list, place: str) -> str:
    """The text of one file: the base model's rows with the layer put in, under comments of its own."""
    stock = base.removesuffix("-p2").removesuffix("-v6")
    text, what = _without_comments(find(f"{stock}.yaml").read_text(encoding="utf-8")), base
    if base.endswith("-p2"):
        text = text.partition("head:\n")[0] + p2_head()
        what = f"{stock} with a fourth head at stride 4 for tiny objects"
    if "-v6" in base:
        text = text.replace(" Detect, [nc]", " AnchorDetect, [nc]")
    if layer:
        what += f"{' and' if base != stock else ' with'} {layer} {PLACES[place]}"
        if place == "inside":
            text = inside.insert_inside(text, [f"{layer}:{args[0]}"], ["backbone"])
        for after in reversed(_places(text, place)):
            text = edit.insert(text, after, layer, args)
    lines = _without_comments(text).splitlines()
    for row in rows.parse(text):
        lines[row.line] += f" # {row.index}"
    head = HEADS[stock == "yolov5", "-v6" in base]
    header = f"# {what}{head}. Written by scripts/maintain/cfg.py from Ultralytics' {stock}.yaml (AGPL-3.0)."
    return "\n".join([header, "", *lines, ""])


def _places(text: str, place: str) -> list[int]:
    if place == "inside":
        return []
    if place != "neck-blocks":
        return places.places(text, place)
    return [row.index for row in rows.parse(text) if row.section == "head" and row.module == "C3"][:-1]


def _without_comments(text: str) -> str:
    text = re.sub(r"(?m)^[ \t]*#.*\n", "", text)
    text = re.sub(r"[ \t]*#.*", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main() -> None:
    """Write every file of the table."""
    for entry in TABLE:
        (CFG / name(*entry)).write_text(cfg(*entry), encoding="utf-8")
        print(name(*entry))


if __name__ == "__main__":
    typer.run(main)
