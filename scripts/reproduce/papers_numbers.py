"""The numbers in the prose of papers_page.md, counted on built networks."""

from scripts.reproduce import papers
from scripts.reproduce import papers_counts as counts

GROUPS = 32  # of EMA
MASK_SURPLUS = 3 * 100 * 28 * 28 * 256 * 256  # 100 masks of 28 x 28, 256 channels in and out
DMSANET_DETECTORS = {"FasterRCNN": 44.17, "MaskRCNN": 47.23, "RetinaNet": 41.63}  # Tables 4 to 6, in 10^6


def numbers() -> dict[str, int | float | list[float]]:
    """{name in papers_page.md: number}."""
    return _of_ema() | _of_dmsanet() | _of_emca()


def _of_ema() -> dict[str, float]:
    papers_x, ours_x = _yolo("paper-p2-ema", "x", 10), _yolo("v6-p2-ema", "x", 10)
    added = _full(papers_x) - _full(_yolo("paper-p2", "x", 10))
    of_ema = _full(ours_x) - _full(_yolo("v6-p2", "x", 10))  # five layers where every row number is right
    group_x = _gflops(ours_x) - _gflops(_yolo("v6-p2", "x", 10))
    v6_s, twice = _yolo("v6-ema", "s", 80), _yolo("paper-ema", "s", 80)
    group_s = _gflops(v6_s) - _gflops(_yolo("v6", "s", 80))
    return {
        "added": added,
        "of_ema": of_ema,
        "stale": added - of_ema,
        "stale_share": 100 * (added - of_ema) / added,
        "groups": GROUPS,
        "all_groups_s": _gflops(v6_s) + (GROUPS - 1) * group_s,
        "all_groups_x": _gflops(papers_x) + (GROUPS - 1) * group_x,
        "resnet50_ema": _full({"network": ["ResNet", [50, "EMA(32)", "end", "cifar"]], "classes": 100}),
        "twice": _full(twice),
        "twice_gflops": _gflops(twice),
        "v6_s": _full(v6_s),
        "anchor_free_s": _full(_yolo("ema", "s", 80)),
        "anchor_free_x": _full(_yolo("p2-ema", "x", 10)),
    }


def _of_dmsanet() -> dict[str, float | list[float]]:
    backbone = counts.parameters(papers.network(_detector("FasterRCNN")).detector.backbone.network, counts.TRAINED)
    rest = {kind: papers.counted(_detector(kind))[counts.TRAINED] - backbone for kind in DMSANET_DETECTORS}
    return {
        "implied": [published - rest[kind] / 1e6 for kind, published in DMSANET_DETECTORS.items()],
        "dmsa_gmacs": papers.multiply_adds({"network": ["ResNet", [50, "DMSA", "conv"]], "classes": 1000}) / 1e9,
        "mask_surplus": MASK_SURPLUS / 1e9,
    }


def _of_emca() -> dict[str, float]:
    plain, with_emca = (papers.counted(_detector("FasterRCNN", *given)) for given in ((), ("EMCA(se)", "first")))
    return {
        "resnet50": _full({"network": ["ResNet", [50, "", "end"]], "classes": 1000}),
        "emca_se": (with_emca[counts.TRAINED] - plain[counts.TRAINED]) / 1e6,
    }


def _yolo(name: str, scale: str, classes: int) -> dict:
    return {"yolo": f"yolov5-{name}.yaml", "scale": scale, "classes": classes}


def _detector(kind: str, layer: str = "", place: str = "end") -> dict:
    return {"network": ["ResNet", [50, layer, place]], "detector": kind}


def _full(spec: dict) -> int:
    return papers.counted(spec)[counts.ALL]


def _gflops(spec: dict) -> float:
    return papers.multiply_adds(spec) * 2 / 1e9
