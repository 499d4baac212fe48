"""Write the detectors of the EMA paper as its authors' repository has them: python -m scripts.reproduce.paper_files

They differ from our own files in cfg/ in what the tables below name. Build one to count what the paper counted; train one of cfg/.
Facts: https://github.com/YOLOonMe/EMA-attention-module (models/accModels/yolov5xP2EMA.yaml, models/yolov5s_EMA.yaml) and the two
files of https://github.com/Gumpest/YOLOv5-Multibackbone-Compression that the first follows.
"""

import re
from pathlib import Path

import typer

from scripts.maintain import cfg
from yolo_attn.model_yaml import edit, rows

FOLDER = Path(__file__).parent
BACKBONE = {  # that of YOLOv5 v5.0: {row: how it is written}
    0: "[-1, 1, Focus, [64, 3]]",
    4: "[-1, 9, C3, [256]]",
    8: "[-1, 1, SPP, [1024, [5, 9, 13]]]",
    9: "[-1, 3, C3, [1024, False]]",
}
STALE = {  # rows that still name the numbers from before five rows of attention came in
    26: "[[-1, 18], 1, Concat, [1]]",  # the C3 at stride 8 instead of the convolution behind it
    30: "[[-1, 14], 1, Concat, [1]]",  # the attention at stride 16, 512 wide, instead of the convolution behind it, 256 wide
}
ANCHORS = "[[5, 6, 8, 14, 15, 11], [10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]"
HEADS = {31: "[[21, 24, 27, 30]", 36: "[[23, 27, 31, 35]"}  # of 36 rows: the C3s, not the attention that follows each
P2_LAYERS = ("", "CBAM", "CA", "EMA")


def files() -> dict[str, str]:
    """{name: text} of every file."""
    named = {f"yolov5-paper-p2{layer and '-' + layer.lower()}.yaml": p2(layer) for layer in P2_LAYERS}
    return named | {"yolov5-paper-ema.yaml": twice()}


def p2(layer: str) -> str:
    """YOLOv5x with a head at stride 4 for the ten classes of VisDrone, with a layer after five C3 of the neck or none."""
    text = cfg.cfg("yolov5-v6-p2", layer or None, cfg.ON_P2.get(layer, []), "neck-blocks")
    head = len(rows.parse(text)) - 1
    text = _rewritten(text, BACKBONE | (STALE if layer else {}))
    text = _rewritten(text, {head: f"{HEADS[head]}, 1, AnchorDetect, [nc, {ANCHORS}]]"})
    what = "The paper's YOLOv5x with a head at stride 4 for VisDrone: the backbone of YOLOv5 v5.0"
    if layer:
        what += f", {layer} after five C3 of the neck, two Concats that read old row numbers, a head that reads from before the {layer}"
    return _under(what, f"yolov5-v6-p2{layer and '-' + layer.lower()}", "x", 10, text)


def twice() -> str:
    """YOLOv5s with EMA at the end of the stages at stride 16 and 32."""
    text = cfg.cfg("yolov5-v6", None, [], "")
    for row in (8, 6):
        text = edit.insert(text, row, "EMA", [32])
    return _under("The paper's YOLOv5s with two EMA, at stride 16 and 32", "yolov5-v6-ema", "s", 80, text)


def _rewritten(text: str, changes: dict[int, str]) -> str:
    lines, parsed = text.splitlines(), rows.parse(text)
    for index, row in changes.items():
        lines[parsed[index].line] = f"  - {row} # {index}"
    return "\n".join([*lines, ""])


def _under(what: str, recommended: str, scale: str, classes: int, text: str) -> str:
    """The rows under a heading of their own, with the one scale that the paper has."""
    text = re.sub(r"(?m)^#.*\n\n?", "", text)
    text = re.sub(rf"(?m)^  [nsmlx]: (?<!{scale}: ).*\n", "", text).replace("nc: 80", f"nc: {classes}")
    lines = re.sub(r" # \d+", "", text).splitlines()
    for row in rows.parse(text):
        lines[row.line] += f" # {row.index}"
    heading = f"# {what}.\n# To count what it counted; for training take cfg/{recommended}.yaml."
    source = "# Written by scripts/reproduce/paper_files.py from Ultralytics' yolov5.yaml (AGPL-3.0)."
    return "\n".join([heading, source, "", *lines, ""])


def main() -> None:
    """Write every file."""
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    typer.run(main)
