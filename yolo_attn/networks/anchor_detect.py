"""The anchor-based head of YOLOv5 v6.0, with which the EMA paper trained its detectors.

One 1x1 convolution per level gives each of three anchors a box, an objectness and class scores. Ultralytics' own yolov5.yaml ends in an
anchor-free, decoupled head instead. Described at https://github.com/ultralytics/yolov5 (models/yolov5s.yaml, release v6.0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import ultralytics
from torch import nn
from ultralytics.nn.modules import Detect
from ultralytics.utils.checks import check_version
from ultralytics.utils.tal import make_anchors

OUTPUTS_HAVE_NAMES = check_version(ultralytics.__version__, ">=8.4.0")  # of a head in training; a list of maps before

V6_ANCHORS = (  # width, height of three anchors a level, in pixels at 640
    (10, 13, 16, 30, 33, 23),
    (30, 61, 62, 45, 59, 119),
    (116, 90, 156, 198, 373, 326),
)
STRIDE_4 = (5, 6, 8, 15, 16, 11)  # ours, half of the finest level: v6.0 has no anchors for a fourth level
DEFAULTS = {3: V6_ANCHORS, 4: (STRIDE_4, *V6_ANCHORS)}


class AnchorDetect(Detect):
    """Feature maps (B, C_i, H_i, W_i) -> boxes and scores (B, 4 + classes, N), N = 3 * sum of H_i * W_i.

    Boxes are centre, width and height in pixels, scores objectness times class. In training the raw maps
    (B, 3, 5 + classes, H_i, W_i) instead, which the loss reads by `raw_maps`.

    Args:
        channels: C_i of each level, finest first.
        classes: Number of classes.
        anchors: Width and height of each anchor in pixels, a list for each level; `auto` computes them from the training boxes at the
            start of a training. By default those of v6.0 for three levels, for four with half of its finest ones in front.

    Raises:
        ValueError: The anchors do not fit the levels.

    The convolutions are named as in YOLOv5.
    """

    multi_source = True
    nc: int
    nl: int
    na: int
    sizes: torch.Tensor
    stride: torch.Tensor
    cv2, cv3 = (), None  # branches that Ultralytics looks for in a Detect
    xyxy = False  # whether boxes are corners; the exporter sets it, Ultralytics up to 8.3 has no such attribute

    def __init__(self, channels: list[int], classes: int, anchors: list | str | None = None):
        nn.Module.__init__(self)
        self.register_buffer("sizes", anchor_sizes(len(channels), anchors))  # (levels, 3, 2) in pixels
        self.fit_anchors = anchors == "auto"
        self.nc, self.nl, self.na = classes, len(channels), self.sizes.shape[1]
        self.no = classes + 5
        self.stride = torch.zeros(self.nl)  # Ultralytics measures it once the model is built
        self.m = nn.ModuleList(nn.Conv2d(width, self.na * self.no, 1) for width in channels)

    def forward(self, x: list[torch.Tensor]) -> Any:
        raw = [layer(entry).unflatten(1, (self.na, self.no)) for layer, entry in zip(self.m, x, strict=True)]
        outputs: Any = {"feats": x, "raw": raw} if OUTPUTS_HAVE_NAMES else raw
        if self.training:
            return outputs
        decoded = self.decode(raw, x)
        return decoded if self.export else (decoded, outputs)

    @staticmethod
    def raw_maps(outputs: Any) -> list[torch.Tensor]:
        """What `forward` returned, in training or in evaluation -> the raw maps (B, 3, 5 + classes, H_i, W_i)."""
        outputs = outputs[1] if isinstance(outputs, tuple) else outputs
        return outputs["raw"] if isinstance(outputs, dict) else outputs

    def decode(self, raw: list[torch.Tensor], x: list[torch.Tensor]) -> torch.Tensor:
        """Raw maps and the feature maps they come from -> (B, 4 + classes, N), level by level, within a level cell by cell."""
        boxes, scores = [], []
        for level, (entry, features) in enumerate(zip(raw, x, strict=True)):
            corner, stride = make_anchors([features], self.stride[level : level + 1], 0.0)  # (cells, 2) and (cells, 1)
            values = entry.flatten(3).sigmoid()  # (B, 3, 5 + classes, cells)
            centre = (values[:, :, :2] * 2 - 0.5 + corner.T) * stride.T
            size = (values[:, :, 2:4] * 2) ** 2 * self.sizes[level, None, :, :, None]
            box = [centre - size / 2, centre + size / 2] if self.xyxy else [centre, size]
            boxes.append(torch.cat(box, 2).transpose(1, 2).flatten(2))
            scores.append((values[:, :, 4:5] * values[:, :, 5:]).transpose(1, 2).flatten(2))
        return torch.cat([torch.cat(boxes, 2), torch.cat(scores, 2)], 1)

    def bias_init(self) -> None:
        """Start from 8 objects in an image of 640 pixels, as YOLOv5 does. Ultralytics calls it once the strides are known."""
        for convolution, stride in zip(self.m, self.stride.tolist(), strict=True):
            bias = convolution.get_parameter("bias").data.view(self.na, -1)
            bias[:, 4] += math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] += math.log(0.6 / (self.nc - 0.99999))


def anchor_sizes(levels: int, anchors: Sequence | str | None) -> torch.Tensor:
    """The anchors of a row -> (levels, 3, 2) widths and heights in pixels.

    Raises:
        ValueError: They are not as many lists as levels, of as many pairs of positive numbers each.
    """
    if anchors is None or anchors == "auto":
        if levels not in DEFAULTS:
            known = " and ".join(map(str, DEFAULTS))
            raise ValueError(
                f"AnchorDetect: {levels} levels have no default anchors, only {known} have; write a list for each level"
            )
        anchors = DEFAULTS[levels]
    if isinstance(anchors, str):
        raise ValueError(f"AnchorDetect: anchors {anchors!r} are neither a list for each level nor auto")
    if len(anchors) != levels:
        raise ValueError(
            f"AnchorDetect: {len(anchors)} lists of anchors for {levels} levels; write one list for each level"
        )
    for level in anchors:
        numbers = isinstance(level, list | tuple) and all(
            isinstance(value, int | float) and value > 0 for value in level
        )
        if not numbers or len(level) % 2 or not level:
            raise ValueError(
                f"AnchorDetect: anchors {level} are not pairs of width and height in pixels, such as [10, 13, 16, 30, 33, 23]"
            )
        if len(level) != len(anchors[0]):
            raise ValueError(
                f"AnchorDetect: {len(level) // 2} anchors in {level} and {len(anchors[0]) // 2} in {anchors[0]}; give each level as many"
            )
    return torch.tensor(anchors, dtype=torch.float32).view(levels, -1, 2)
