"""Write the model files of cfg/, detectors from the stock ones: python -m scripts.maintain.cfg

A table of (base, layer, arguments, place) and one of classifiers are all there is to maintain; `tests/test_cfgs.py` holds the files
against them.
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
    (
        True,
        True,
    ): ". The anchor-based head of YOLOv5 v6.0, as the EMA paper trained it; without -v6 the name means Ultralytics' anchor-free one",
    (
        True,
        False,
    ): ". Ultralytics' anchor-free head; yolov5-v6*.yaml have the anchor-based one that the EMA paper trained",
    (False, False): "",
}
# The papers' classifiers: file without -cls.yaml, row, learning rate schedule, classes, what a reader must know.
CIFAR_STEPS = "{step: [60, 120, 160], factor: 0.2}"  # GAM says when the rate drops, the factor is that of wide ResNets
CIFAR_STEM = "For pictures of 32 pixels: the stem is a 3x3 convolution without stride or pooling"
CLASSIFIERS = [
    ("resnet50-cifar", '[50, "", end, cifar]', CIFAR_STEPS, 100, f"ResNet-50 without attention. {CIFAR_STEM}"),
    (
        "resnet50-ema-cifar",
        "[50, EMA(32), end, cifar]",
        CIFAR_STEPS,
        100,
        f"ResNet-50 with EMA at the end of every residual block, EMA's Table 1. {CIFAR_STEM}",
    ),
    (
        "resnet50-gam-cifar",
        "[50, GAM, end, cifar]",
        CIFAR_STEPS,
        100,
        f"ResNet-50 with GAM at the end of every residual block, GAM's Table 1. {CIFAR_STEM}",
    ),
    (
        "resnet50-ema",
        "[50, EMA(32)]",
        "",
        1000,
        "ResNet-50 with EMA at the end of every residual block. For pictures of 32 pixels take resnet50-ema-cifar-cls.yaml",
    ),
    (
        "resnet50-gam",
        "[50, GAM]",
        "{step: [30, 60], factor: 0.1}",
        1000,
        "ResNet-50 with GAM at the end of every residual block, GAM's Table 2",
    ),
    (
        "mobilenetv2-gam",
        "[GAM]",
        "{step: [30, 60], factor: 0.1}",
        1000,
        "MobileNetV2 with GAM at the end of every inverted residual, GAM's Table 2",
    ),
    (
        "resnet50-emca",
        "[50, EMCA(se), first]",
        "{step: [30, 60, 90], factor: 0.1}",
        1000,
        "ResNet-50 with EMCA-SE in the first block of every stage, EMCA's Table 4",
    ),
    (
        "resnet50-dmsa",
        "[50, DMSA, conv]",
        "{step: [30, 60, 90], factor: 0.1}",
        1000,
        "ResNet-50 with DMSA in place of the 3x3 convolution of every block, DMSANet's Table 2",
    ),
]
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


def classifier(name: str, row: str, schedule: str, classes: int, what: str) -> str:
    """The text of one classifier's file."""
    network = "MobileNetV2" if name.startswith("mobilenet") else "ResNet"
    return "\n".join(
        [
            f"# {what}. Written by scripts/maintain/cfg.py.",
            "",
            f"nc: {classes}",
            *([f"lr_schedule: {schedule} # of the learning rate, see docs/recipes.md"] if schedule else []),
            "",
            "backbone:",
            f"  - [-1, 1, {network}, {row}] # 0",
            "",
            "head:",
            "  - [-1, 1, Feature, [5]] # 1",
            "  - [-1, 1, Classifier, [nc]] # 2",
            "",
        ]
    )


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
    """Write every file of the tables."""
    texts = {name(*entry): cfg(*entry) for entry in TABLE}
    texts |= {f"{entry[0]}-cls.yaml": classifier(*entry) for entry in CLASSIFIERS}
    for file, text in texts.items():
        (CFG / file).write_text(text, encoding="utf-8")
        print(file)


if __name__ == "__main__":
    typer.run(main)
