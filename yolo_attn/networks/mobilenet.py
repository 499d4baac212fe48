"""MobileNetV2 of torchvision with an attention layer in the places where the papers put one.

Sandler et al., CVPR 2018, https://arxiv.org/abs/1801.04381. Names of parameters are torchvision's, so its weights load.
"""

from typing import Any

import torch
from torch import nn
from torchvision.models import mobilenetv2

from yolo_attn.layers import is_multi_source
from yolo_attn.networks.row_arguments import check_choices, read_layer_call

BLOCKS = (1, 2, 3, 4, 3, 3, 1)  # inverted residuals in each of the seven stages, which follow the stem
# The last of `features` of strides 4, 8, 16 and 32; the very last is the 1x1 convolution to 1280.
OUTPUTS = (3, 6, 13, 18)
PLACES = ("end", "stages")
STEMS = ("imagenet", "cifar")


class InvertedResidual(mobilenetv2.InvertedResidual):
    """x (B, C, H, W) -> (B, out, H / stride, W / stride); the branch ends in a layer, before the shortcut is added."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.attention: nn.Module | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch = self.conv(x)
        if self.attention is not None:
            branch = self.attention(branch)
        return x + branch if self.use_res_connect else branch


class MobileNetV2(mobilenetv2.MobileNetV2):
    """image (B, channels, H, W) -> feature maps of 24, 32, 96 and 1280 channels, strides 4, 8, 16 and 32; CIFAR: strides 1 to 8.

    Args:
        channels: Number of channels of the image.
        layer: A name of LAYERS, with its arguments: `EMA(8)`; empty for none.
        place: `end` of each of the 17 inverted residuals, or after each of the seven `stages`.
        stem: `imagenet`, or `cifar`: neither the stem nor the second stage has a stride.

    Raises:
        ValueError: An argument is none of those, or the layer reads several feature maps.
    """

    def __init__(self, channels: int, layer: str = "", place: str = "end", stem: str = "imagenet"):
        check_choices("MobileNetV2", place=(place, PLACES), stem=(stem, STEMS))
        super().__init__(block=InvertedResidual)
        del self.classifier
        first = self.features[0]
        if channels != first[0].in_channels:
            first[0] = nn.Conv2d(channels, first[0].out_channels, 3, 2, 1, bias=False)
            nn.init.kaiming_normal_(first[0].weight, mode="fan_out")
        if stem == "cifar":
            first[0].stride = (1, 1)
            self.features[2].conv[1][0].stride = (1, 1)
        self.after = nn.ModuleDict()  # layers behind stages, by the number of the feature that ends the stage
        if layer:
            self._add_attention(*read_layer_call(layer), place)

    @staticmethod
    def stage_widths(*_: object) -> tuple[int, ...]:
        """Return the channels of the four feature maps, the same for all arguments of a row."""
        return (24, 32, 96, 1280)

    def _add_attention(self, layer: type[nn.Module], arguments: list, place: str) -> None:
        if is_multi_source(layer):
            raise ValueError(f"MobileNetV2: {layer.__name__} reads several feature maps; only ResNet gives them")
        last = 0
        for count in BLOCKS:
            blocks = self.features[last + 1 : last + 1 + count]
            last += count
            for block in blocks if place == "end" else ():
                block.attention = layer(block.out_channels, *arguments)
            if place == "stages":
                self.after[str(last)] = layer(blocks[-1].out_channels, *arguments)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        outputs = []
        for number, feature in enumerate(self.features):
            x = feature(x)
            if str(number) in self.after:
                x = self.after[str(number)](x)
            if number in OUTPUTS:
                outputs.append(x)
        return outputs
