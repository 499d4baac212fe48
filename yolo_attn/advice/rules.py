"""Rules of thumb from object sizes to image size, P2 head and tiles, each with its numbers and its source."""

from dataclasses import dataclass

from yolo_attn.advice.sizes import AtSize, Sizes

LOST = 0.10  # share of objects below one cell that a training size may have
TINY = 0.25  # share of objects below two cells from which a P2 head is advised
TILED_SIDE, TILED_BOX = 1500, 0.04  # PaddleDetection's limits
SMALLDET = "PaddleDetection, configs/smalldet: https://github.com/PaddlePaddle/PaddleDetection"


@dataclass(frozen=True)
class Advice:
    """An answer, the numbers that led to it, the rule, and where the rule comes from."""

    question: str
    answer: str
    reason: str
    rule: str
    source: str


def advise(sizes: Sizes) -> tuple[Advice, ...]:
    """Object sizes -> advice on the image size, on a P2 head at that size, and on tiles."""
    chosen = _training_size(sizes)
    return _image_size(sizes, chosen), _p2_head(chosen), _tiles(sizes)


def _training_size(sizes: Sizes) -> AtSize:
    return next((at for at in sizes.at if at.below[8] <= LOST), sizes.at[-1])


def _image_size(sizes: Sizes, chosen: AtSize) -> Advice:
    reason = f"{_percent(chosen.below[8])} of the objects are below 8 pixels at {chosen.imgsz}"
    smaller = [at for at in sizes.at if at.imgsz < chosen.imgsz]
    if smaller:
        reason += f", {_percent(smaller[-1].below[8])} at {smaller[-1].imgsz}"
    if chosen.below[8] > LOST:
        reason += "; no size that was looked at does better"
    if chosen.imgsz > sizes.longer_side:
        reason += f"; this enlarges pictures, whose longer side is {sizes.longer_side:,.0f} pixels (median)"
    return Advice(
        question="image size",
        answer=f"imgsz={chosen.imgsz}",
        reason=reason,
        rule=f"the smallest training size at which at most {_percent(LOST)} of the objects are below 8 pixels, a cell of the"
        " stride-8 map; else the largest",
        source=f"a rule of thumb of yolo_attn; that tiny objects want large pictures: {SMALLDET}, VisDrone val, whole pictures:"
        " PP-YOLOE-l has 29.2 AP at 640, its Alpha form trained around 1600 has 41.9 at 1920",
    )


def _p2_head(chosen: AtSize) -> Advice:
    wanted = chosen.below[16] > TINY
    return Advice(
        question="P2 head",
        answer="yes, a model such as yolov5n-p2.yaml or yolov8n-p2.yaml" if wanted else "no",
        reason=f"{_percent(chosen.below[16])} of the objects are below 16 pixels at {chosen.imgsz}",
        rule=f"a head at stride 4 if more than {_percent(TINY)} of the objects are below 16 pixels, two cells of the"
        " stride-8 map, at the advised size",
        source=f"a rule of thumb of yolo_attn; that the gain depends on the size: {SMALLDET}, VisDrone val: with P2"
        " PP-YOLOE-l goes from 29.2 to 30.1 AP at 640 and from 41.9 to 41.3 at 1920",
    )


def _tiles(sizes: Sizes) -> Advice:
    side = (sizes.width + sizes.height) / 2
    wanted = side > TILED_SIDE and sizes.relative_box < TILED_BOX
    return Advice(
        question="tiles",
        answer="worth a trial, against whole pictures with as many pixels" if wanted else "no, whole pictures",
        reason=f"the mean side of the pictures is {side:,.0f} pixels, the median relative box {sizes.relative_box:.3f}",
        rule=f"tiles if the mean side is above {TILED_SIDE:,} pixels and the median over the pictures of their mean box"
        f" width and height, relative to the picture, is below {TILED_BOX}",
        source=f"{SMALLDET}; there whole pictures at 1920 (43.3 AP, PP-YOLOE+) beat tiles of 640 (37.3 AP, PP-YOLOE) on"
        " VisDrone val, with more pixels and another training",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.095 else f"{100 * share:.1f} %"
