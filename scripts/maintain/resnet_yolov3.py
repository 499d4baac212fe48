"""Write cfg/resnet*-yolov3.yaml, the detectors of the EMCA paper's Table 7: python -m scripts.maintain.resnet_yolov3

`tests/test_cfgs.py` holds the files against this.
"""

import typer

from scripts.maintain.cfg import CFG

TABLE = [(depth, layer) for depth in (18, 34, 50) for layer in ("", "EMCA(se)")]
NECK = ((1024, 3), (512, 2), (256, 1))  # widths of YOLOv3's levels, coarsest first, and the Feature row that each joins

WITH_EMCA = """\
# ResNet-{depth} with EMCA in the first block of every stage under the head of YOLOv3: the EMCA paper's detector for KITTI (Table 7).
{parts}
# Not known here: which excitation and coverage region Table 7 used, and its classes. EMCA-SE over all blocks of the previous stage and
# the 8 classes of Ultralytics' kitti.yaml are assumed. We know of no printed parameter counts to compare with."""
BASELINE = """\
# ResNet-{depth} under the head of YOLOv3: resnet{depth}-emca-yolov3.yaml without EMCA, the baseline of the EMCA paper's detector for KITTI.
{parts}"""
SCHEDULE = "lr_schedule: {polynomial: 4} # the paper's; without this line, Ultralytics' own"
PARTS = """\
# As in the paper: the backbone, and YOLOv3's neck and nine anchors (https://arxiv.org/abs/1804.02767). Train with imgsz=448, from weights
# of a classifier trained at 224. Not as in the paper: convolutions end in SiLU, not LeakyReLU; boxes and loss are those of YOLOv5's
# anchor-based head. Written by scripts/maintain/resnet_yolov3.py."""


def name(depth: int, layer: str) -> str:
    """The name of one file."""
    return f"resnet{depth}{'-emca' if layer else ''}-yolov3.yaml"


def cfg(depth: int, layer: str) -> str:
    """The text of one file."""
    rows = [f"[-1, 1, ResNet, [{depth}{f', {layer}, first' if layer else ''}]]"]
    rows += [f"[0, 1, Feature, [{stage}]]" for stage in (3, 4, 5)]
    backbone, levels = len(rows), []
    for width, feature in NECK:
        if levels:  # from the last 1x1 convolution of the level above
            rows += [f"[-2, 1, Conv, [{width // 2}, 1, 1]]", '[-1, 1, nn.Upsample, [None, 2, "nearest"]]']
            rows += [f"[[-1, {feature}], 1, Concat, [1]]"]
        rows += [f"[-1, 1, Conv, [{width // 2}, 1, 1]]", f"[-1, 1, Conv, [{width}, 3, 1]]"] * 3
        levels.append(len(rows) - 1)
    rows.append(f"[{levels[::-1]}, 1, AnchorDetect, [nc]]")
    lines = [f"  - {row} # {index}" for index, row in enumerate(rows)]
    header = (WITH_EMCA if layer else BASELINE).format(depth=depth, parts=PARTS)
    return "\n".join(
        [header, "", "nc: 8", SCHEDULE, "", "backbone:", *lines[:backbone], "", "head:", *lines[backbone:], ""]
    )


def main() -> None:
    """Write every file of the table."""
    for entry in TABLE:
        (CFG / name(*entry)).write_text(cfg(*entry), encoding="utf-8")
        print(name(*entry))


if __name__ == "__main__":
    typer.run(main)
