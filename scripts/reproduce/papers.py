"""The parameter and FLOPs columns of the papers' tables, counted again on networks built on the meta device.

papers.jsonl has a row for each row of the tables: what was printed, and the network that it is about. Accuracies in it are the
papers'; none was measured here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import yaml
from torch import nn
from ultralytics.nn import tasks

from yolo_attn import networks
from yolo_attn.layers import LAYERS
from yolo_attn.plugin.files import find

PUBLISHED = Path(__file__).with_name("papers.jsonl")
EXACT, CLOSE, OFF, MISSING = "exact after rounding", "within 0.5 %", "does not match", "not built"
ALL = "all"  # rules for counting parameters
NO_NORMS = "convolutions and linear layers"  # without the affine parameters of normalisations
LEAVES = "leaf modules"  # as a counter with hooks on them sees: not the bare parameters of a module with children
UNITS = {10**6: "10^6", 2**20: "2^20"}
SPEC = ("network", "yolo", "scale", "repeats", "classes")  # what of a row of papers.jsonl describes the network
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class Recount:
    """One row of a table.

    Attributes:
        paper, table, row, base, dataset: Where it stands.
        published: Printed parameters, in `unit`.
        ours: Counted parameters; None where the network is not built.
        unit: "10^6" or "2^20".
        counted: Which parameters: "all", "convolutions and linear layers", or "leaf modules".
        verdict: `EXACT`, `CLOSE`, `OFF` or `MISSING`.
        why: What is known about a difference, or why there is no network.
        published_flops, published_accuracy: As printed; None where the table has no FLOPs.
        gflops: Counted, in the unit of the table, by `flops_rule`; None where the network is not built.
    """

    paper: str
    table: str
    row: str
    base: str
    dataset: str
    published: float
    ours: int | None
    unit: str
    counted: str
    verdict: str
    why: str
    published_flops: str | None
    gflops: float | None
    flops_rule: str
    published_accuracy: dict[str, float]


def recount() -> Iterable[Recount]:
    """Every row of EMA Tables 1 to 3, GAM 1 to 4, DMSANet 2 and 3 and EMCA 2 to 5, in that order."""
    for line in PUBLISHED.read_text(encoding="utf-8").splitlines():
        yield _recounted(json.loads(line))


def _recounted(row: dict) -> Recount:
    counted, why = row.get("counted", ALL), row.get("not_built") or row.get("note", "")
    ours = gflops = None
    if "not_built" not in row:
        counts, macs = _built(json.dumps({key: row[key] for key in SPEC if key in row}))
        ours = counts[counted] + row.get("extra", 0)
        gflops = macs * (2 if "yolo" in row else 1) / (2**30 if row["unit"] == 2**20 else 1e9)
    return Recount(
        **{key: row[key] for key in ("paper", "table", "row", "base", "dataset", "published")},
        ours=ours,
        unit=UNITS[row["unit"]],
        counted=counted,
        verdict=verdict(row["published"], ours, row["unit"], row["decimals"]),
        why=why,
        published_flops=row.get("published_flops"),
        gflops=gflops,
        flops_rule=_flops_rule(row),
        published_accuracy=row["accuracy"],
    )


def verdict(published: float, ours: int | None, unit: int, decimals: int) -> str:
    """Compare a counted number of parameters with a printed one of so many decimals."""
    if ours is None:
        return MISSING
    if f"{ours / unit:.{decimals}f}" == f"{published:.{decimals}f}":
        return EXACT
    return CLOSE if abs(ours / unit - published) <= 0.005 * published else OFF


def _flops_rule(row: dict) -> str:
    what = "2 x multiply-adds" if "yolo" in row else "multiply-adds"
    rule = f"{what} / {'2^30' if row['unit'] == 2**20 else '10^9'}: convolutions, linear layers, 2 per normalised value"
    has_ema = re.search("EMA|-ema", f"{row.get('network')} {row.get('yolo')}")
    return rule + ("; EMA's convolutions counted for one group" if has_ema else "")


@cache
def _built(spec: str) -> tuple[dict[str, int], int]:
    """Parameters by rule, and multiply-adds at the resolution of the table, of a network as papers.jsonl writes it."""
    spec = json.loads(spec)
    with torch.device("meta"):
        network = _detector(spec) if "yolo" in spec else _classifier(spec)
        side = 640 if "yolo" in spec else 32 if "cifar" in str(spec) else 224
        macs = multiply_adds(network.eval(), torch.empty(1, 3, side, side))
    return {rule: parameters(network, rule) for rule in (ALL, NO_NORMS, LEAVES)}, macs


class _Classifier(nn.Module):
    """image -> classes, by a network and the papers' head."""

    def __init__(self, network: nn.Module, width: int, classes: int):
        super().__init__()
        self.network, self.linear = network, nn.Linear(width, classes)

    def forward(self, x):
        return self.linear(self.network(x)[-1].mean((2, 3)))


def _classifier(spec: dict) -> nn.Module:
    name, arguments = spec["network"]
    kind = networks.load(name)
    return _Classifier(kind(3, *arguments), kind.stage_widths(*arguments)[-1], spec["classes"])


class _AnchorHead(nn.Module):
    """Maps -> three boxes per position: the head of YOLOv5 v6.0, which the paper used and Ultralytics no longer has."""

    def __init__(self, widths: list[int], classes: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, 3 * (classes + 5), 1) for width in widths)

    def forward(self, maps):
        return [conv(x) for conv, x in zip(self.convs, maps, strict=True)]


def _detector(spec: dict) -> nn.Module:
    text = find(spec["yolo"]).read_text(encoding="utf-8")
    model = tasks.BaseModel()
    described = {**yaml.safe_load(text), "scale": spec["scale"], "nc": spec["classes"]}
    if "repeats" in spec:
        row, repeats = spec["repeats"]
        described["backbone"][row][1] = repeats
    model.model, model.save = tasks.parse_model(described, ch=3, verbose=False)
    head = model.model[-1]
    model.model[-1] = _AnchorHead([branch[0].conv.in_channels for branch in head.cv2], spec["classes"])
    model.model[-1].i, model.model[-1].f = head.i, head.f
    return model


def parameters(network: nn.Module, rule: str = ALL) -> int:
    """Number of parameters under one of the rules."""
    return sum(
        parameter.numel()
        for module in network.modules()
        if not (rule == NO_NORMS and isinstance(module, NORMS)) and not (rule == LEAVES and any(module.children()))
        for parameter in module.parameters(recurse=False)
    )


def multiply_adds(network: nn.Module, image: torch.Tensor) -> int:
    """Multiply-adds of one pass as the papers' counters see them: modules of three kinds, nothing else.

    Convolutions and linear layers by their formula, normalisations 2 per value. Of EMA, whose groups are images of a batch, the two
    convolutions of its definition for one group: that is what was published, and the layer here runs neither.
    """
    total, grouped = 0, (LAYERS["EMA"], LAYERS["EMANoCross"])

    def count(module, inputs, output):
        nonlocal total
        x = inputs[0]
        if isinstance(module, grouped):
            height, width = x.shape[2:]
            total += module.conv1x1.weight.numel() * (height + width) + module.conv3x3.weight.numel() * height * width
        elif isinstance(module, nn.modules.conv._ConvNd):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        elif isinstance(module, NORMS):
            total += 2 * x.numel()

    inside = {child for module in network.modules() if isinstance(module, grouped) for child in module.children()}
    hooks = [module.register_forward_hook(count) for module in network.modules() if module not in inside]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return total
