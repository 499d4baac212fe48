"""ResNet-18, 34, 50 and 101 of torchvision with an attention layer in the places where the papers put one.

He et al., CVPR 2016, https://arxiv.org/abs/1512.03385. Names of parameters are torchvision's, so its weights load.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet

from yolo_attn.networks.registry import Widths, attention, takes_stride

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
PLACES = ("end", "first", "last", "conv", "stages")
STEMS = ("imagenet", "cifar", "strided")
REGIONS = ("own", "previous", "stage", "stages")


class _Attended:
    """A residual block whose branch ends in a layer, before the shortcut is added."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention = None

    def forward(self, x: torch.Tensor, earlier: list[torch.Tensor] = ()) -> torch.Tensor:
        branch = self._branch(x)
        if self.attention is not None:
            branch = self.attention([branch, *earlier] if _several(self.attention) else branch)
        return F.relu(branch + (x if self.downsample is None else self.downsample(x)))


class BasicBlock(_Attended, resnet.BasicBlock):
    """x (B, C, H, W) -> (B, planes, H / stride, W / stride)."""

    def _branch(self, x):
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


class Bottleneck(_Attended, resnet.Bottleneck):
    """x (B, C, H, W) -> (B, 4 * planes, H / stride, W / stride)."""

    def _branch(self, x):
        return self.bn3(self.conv3(F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))))


class ResNet(resnet.ResNet):
    """image (B, channels, H, W) -> the maps of stages 2 to 5, of strides 4, 8, 16 and 32; with the CIFAR stem 1, 2, 4 and 8.

    Args:
        channels: Of the image.
        depth: 18, 34, 50 or 101.
        layer: A name of LAYERS, with its arguments: `EMA(32)`; empty for none.
        place: `end` of every residual block, of the `first` or the `last` block of each stage, instead of the second
            `conv` of every block (the 3x3 of a bottleneck), or after all `stages` but the last.
        stem: `imagenet` (7x7 stride 2, max-pool), `cifar` (3x3 stride 1, no max-pool), or `strided` (no max-pool, its stride is
            taken by the first block of stage 2).
        region: Which maps a layer of several sources gets beside the branch: none (`own`), the input of the stage (`previous`),
            the outputs of all blocks of the previous `stage`, or the last of all previous `stages`, nearest first. The stem
            counts as a stage of one block.

    Raises:
        ValueError: an argument is none of those, or the layer does not fit the place.
    """

    def __init__(
        self,
        channels: int,
        depth: int = 50,
        layer: str = "",
        place: str = "end",
        stem: str = "imagenet",
        region: str = "stage",
    ):
        for name, found, known in (
            ("depth", depth, DEPTHS),
            ("place", place, PLACES),
            ("stem", stem, STEMS),
            ("region", region, REGIONS),
        ):
            if found not in known:
                raise ValueError(f"ResNet: there is no {name} {found!r}; write {', '.join(map(str, known))}")
        super().__init__(BasicBlock if depth < 50 else Bottleneck, DEPTHS[depth])
        del self.fc, self.avgpool
        if stem == "cifar" or channels != self.conv1.in_channels:
            kernel, stride = (3, 1) if stem == "cifar" else (7, 2)
            self.conv1 = nn.Conv2d(channels, 64, kernel, stride, kernel // 2, bias=False)
            nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        if stem != "imagenet":
            self.maxpool = nn.Identity()
        if stem == "strided":
            self.inplanes = 64
            self.layer1 = self._make_layer(type(self.layer1[0]), 64, DEPTHS[depth][0], stride=2)
        self.region = region
        self.after = nn.ModuleList()
        if layer:
            self._place(*attention(layer), place)

    @staticmethod
    def out_channels(channels: int, depth: int = 50, *_) -> Widths:
        """The widths of the four maps."""
        return Widths(*(planes * (1 if depth < 50 else 4) for planes in (64, 128, 256, 512)))

    @property
    def stages(self) -> list[nn.Sequential]:
        """Stages 2 to 5."""
        return [self.layer1, self.layer2, self.layer3, self.layer4]

    def _place(self, layer, arguments, place):
        if _several(layer) and place != "first":
            raise ValueError(
                f"ResNet: {layer.__name__} reads several maps, which only the place first gives; found {place}"
            )
        if place == "conv" and not takes_stride(layer):
            raise ValueError(f"ResNet: {layer.__name__} takes no stride and cannot stand in place of a convolution")
        ends, blocks = [self.conv1.out_channels], [self.conv1.out_channels]  # widths of the maps before this stage
        for stage, width in zip(self.stages, self.out_channels(0, self._depth()).stages, strict=True):
            if place == "stages" and stage is not self.layer4:
                self.after.append(layer(width, *arguments))
            elif place == "conv":
                for block in stage:
                    block.conv2 = layer(block.conv2.out_channels, *arguments, stride=block.conv2.stride[0])
            elif place != "stages":
                for block in {"end": stage, "first": stage[:1], "last": stage[-1:]}[place]:
                    widths = [width, *self._earlier(ends, blocks)] if _several(layer) else width
                    block.attention = layer(widths, *arguments)
            ends, blocks = [*ends, width], [width] * len(stage)

    def _depth(self):
        return 18 if isinstance(self.layer1[0], BasicBlock) else 50  # all that widths depend on

    def _earlier(self, ends, blocks):
        """What the region takes from the ends of all previous stages and from the blocks of the previous one, in order."""
        return {"own": [], "previous": ends[-1:], "stage": blocks[::-1], "stages": ends[::-1]}[self.region]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        maps, ends, blocks = [], [x], [x]
        for number, stage in enumerate(self.stages):
            earlier, blocks = self._earlier(ends, blocks), []
            for block in stage:
                x = block(x, () if blocks else earlier)
                blocks.append(x)
            if number < len(self.after):
                x = self.after[number](x)
            ends.append(x)
            maps.append(x)
        return maps


def _several(layer):
    return getattr(layer, "multi_source", False)
