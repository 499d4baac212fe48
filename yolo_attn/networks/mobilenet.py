"""MobileNetV2 of torchvision with an attention layer in the places where the papers put one.

Sandler et al., CVPR 2018, https://arxiv.org/abs/1801.04381. Names of parameters are torchvision's, so its weights load.
"""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import mobilenetv2

from yolo_attn.networks.registry import Widths, attention

STAGES = (1, 2, 3, 4, 3, 3, 1)  # inverted residuals in each of the seven stages, which follow the stem
FEATURES = (3, 6, 13, 18)  # the last row of strides 4, 8, 16 and 32; the very last is the 1x1 convolution to 1280
PLACES = ("end", "stages")
STEMS = ("imagenet", "cifar")


class InvertedResidual(mobilenetv2.InvertedResidual):
    """x (B, C, H, W) -> (B, out, H / stride, W / stride); the branch ends in a layer, before the shortcut is added."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch = self.conv(x)
        if self.attention is not None:
            branch = self.attention(branch)
        return x + branch if self.use_res_connect else branch


class MobileNetV2(mobilenetv2.MobileNetV2):
    """image (B, channels, H, W) -> maps of strides 4, 8, 16 and 32 and of 24, 32, 96 and 1280 channels; CIFAR: strides 1 to 8.

    Args:
        channels: Of the image.
        layer: A name of LAYERS, with its arguments: `EMA(8)`; empty for none.
        place: `end` of each of the 17 inverted residuals, or after each of the seven `stages`.
        stem: `imagenet`, or `cifar`: neither the stem nor the second stage has a stride.

    Raises:
        ValueError: an argument is none of those, or the layer reads several maps.
    """

    def __init__(self, channels: int, layer: str = "", place: str = "end", stem: str = "imagenet"):
        for name, found, known in (("place", place, PLACES), ("stem", stem, STEMS)):
            if found not in known:
                raise ValueError(f"MobileNetV2: there is no {name} {found!r}; write {', '.join(known)}")
        super().__init__(block=InvertedResidual)
        del self.classifier
        first = self.features[0]
        if channels != first[0].in_channels:
            first[0] = nn.Conv2d(channels, first[0].out_channels, 3, 2, 1, bias=False)
            nn.init.kaiming_normal_(first[0].weight, mode="fan_out")
        if stem == "cifar":
            first[0].stride = (1, 1)
            self.features[2].conv[1][0].stride = (1, 1)
        self.after = nn.ModuleDict()  # by the number of the row that a layer follows
        if layer:
            self._place(*attention(layer), place)

    @staticmethod
    def out_channels(channels: int, *_) -> Widths:
        """The widths of the four maps."""
        return Widths(24, 32, 96, 1280)

    def _place(self, layer, arguments, place):
        if getattr(layer, "multi_source", False):
            raise ValueError(f"MobileNetV2: {layer.__name__} reads several maps; only ResNet gives them")
        row = 0
        for count in STAGES:
            for _ in range(count):
                row += 1
                if place == "end":
                    self.features[row].attention = layer(self.features[row].out_channels, *arguments)
            if place == "stages":
                self.after[str(row)] = layer(self.features[row].out_channels, *arguments)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for number, row in enumerate(self.features):
            x = row(x)
            if str(number) in self.after:
                x = self.after[str(number)](x)
            if number in FEATURES:
                maps.append(x)
        return maps
