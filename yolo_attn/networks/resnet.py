"""ResNet-18, 34, 50 and 101 of torchvision with an attention layer in the places where the papers put one.

He et al., CVPR 2016, https://arxiv.org/abs/1512.03385. Names of parameters are torchvision's, so its weights load.
"""

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet

from yolo_attn.layers import is_multi_source
from yolo_attn.networks.residual_blocks import BasicBlock, Bottleneck
from yolo_attn.networks.row_arguments import check_choices, read_layer_call

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
PLACES = {  # stages with a layer, and their blocks that hold it
    "end": (range(2, 6), slice(None)),
    "first": (range(2, 6), slice(1)),
    "last": (range(2, 6), slice(-1, None)),
    "conv": (range(2, 6), slice(None)),
    "stages": (range(2, 5), slice(0)),
    "alternate": (range(3, 5), slice(1, None, 2)),
    "once": (range(4, 5), slice(-2, -1)),
}
STEMS = ("imagenet", "cifar", "strided")
REGIONS = ("own", "previous", "stage", "stages")


class ResNet(resnet.ResNet):
    """image (B, channels, H, W) -> feature maps of stages 2 to 5, strides 4, 8, 16 and 32; with the CIFAR stem 1, 2, 4 and 8.

    Args:
        channels: Number of channels of the image.
        depth: 18, 34, 50 or 101.
        layer: A name of LAYERS, with its arguments: `EMA(32)`; empty for none.
        place: `end` of every residual block, of the `first` or the `last` block of each stage, instead of the second
            `conv` of every block (the 3x3 of a bottleneck), after all `stages` but the last, behind `alternate` blocks of
            stages 3 and 4 (two and three in ResNet-50), or `once`, between the last two blocks of stage 4.
        stem: `imagenet` (7x7 stride 2, max-pool), `cifar` (3x3 stride 1, no max-pool), or `strided` (no max-pool, its stride is
            taken by the first block of stage 2).
        region: Feature maps that a layer of several sources gets beside the branch: none (`own`), the input of the stage
            (`previous`), the outputs of all blocks of the previous `stage`, or the last of all previous `stages`, nearest
            first. The stem counts as a stage of one block.
        from_stage: Stage from which on the layer is used, 2 to 5.
        width: Channels inside of a bottleneck as a multiple of the usual ones, 1 or more; 2 makes a Wide ResNet, and with EPSA
            in the place `conv` EPSANet-Large, whose blocks expand by 2 from twice the width. Basic blocks have 1.

    Raises:
        ValueError: An argument is none of those, or the layer does not fit the place.
    """

    def __init__(
        self,
        channels: int,
        depth: int = 50,
        layer: str = "",
        place: str = "end",
        stem: str = "imagenet",
        region: str = "stage",
        from_stage: int = 2,
        width: int = 1,
    ):
        check_choices(
            "ResNet",
            depth=(depth, DEPTHS),
            place=(place, PLACES),
            stem=(stem, STEMS),
            region=(region, REGIONS),
            from_stage=(from_stage, range(2, 6)),
        )
        if width < 1 or (width > 1 and depth < 50):
            raise ValueError(
                f"ResNet: width must be 1 or more, and 1 at depths 18 and 34; found {width} at depth {depth}"
            )
        self.conv1: nn.Conv2d
        self.layer1: nn.Sequential
        super().__init__(BasicBlock if depth < 50 else Bottleneck, DEPTHS[depth], width_per_group=64 * width)
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
        self.widths = self.stage_widths(depth)  # of the feature maps
        self.after = nn.ModuleList()  # layers behind the first three stages
        if layer:
            self._add_attention(*read_layer_call(layer), place, from_stage)

    @staticmethod
    def stage_widths(depth: int = 50, *_: object) -> tuple[int, ...]:
        """Return the channels of the four feature maps; the arguments are a row's."""
        return tuple(planes * (1 if depth < 50 else 4) for planes in (64, 128, 256, 512))

    @property
    def stages(self) -> list[nn.Sequential]:
        """Stages 2 to 5."""
        return [self.layer1, self.layer2, self.layer3, self.layer4]

    def _add_attention(self, layer: type[nn.Module], arguments: list, place: str, from_stage: int) -> None:
        if is_multi_source(layer) and place != "first":
            raise ValueError(
                f"ResNet: {layer.__name__} reads several feature maps, which only the place first gives; found {place}"
            )
        if from_stage > max(PLACES[place][0]):
            raise ValueError(
                f"ResNet: the place {place} ends at stage {max(PLACES[place][0])}, found from_stage {from_stage}; write a smaller one"
            )
        if place == "conv" and "stride" not in inspect.signature(layer).parameters:
            raise ValueError(f"ResNet: {layer.__name__} takes no stride and cannot stand in place of a convolution")
        block: Any
        stem = self.conv1.out_channels
        previous_stages, previous_blocks = [stem], [stem]  # channels of their outputs
        for number, stage, width in zip(range(2, 6), self.stages, self.widths, strict=True):
            stages, blocks = PLACES[place]
            used = number >= from_stage and number in stages
            if place == "stages" and number in stages:
                self.after.append(layer(width, *arguments) if used else nn.Identity())
            for block in stage[blocks] if used else ():
                if place == "conv":
                    block.conv2 = layer(block.conv2.out_channels, *arguments, stride=block.conv2.stride[0])
                elif place in ("alternate", "once"):
                    block.behind = layer(width, *arguments)
                else:
                    sources = [width, *self._in_region(previous_stages, previous_blocks)]
                    block.attention = layer(sources if is_multi_source(layer) else width, *arguments)
            previous_stages, previous_blocks = [*previous_stages, width], [width] * len(stage)

    def _in_region(self, previous_stages: list, previous_blocks: list) -> list:
        """Return those of the outputs of the previous stages, and of the blocks of the last of these, that the region covers."""
        return {
            "own": [],
            "previous": previous_stages[-1:],
            "stage": previous_blocks[::-1],
            "stages": previous_stages[::-1],
        }[self.region]

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        outputs, blocks = [x], [x]  # of the stages, the stem first, and of the blocks of the last one
        for number, stage in enumerate(self.stages):
            earlier, blocks = self._in_region(outputs, blocks), []
            for block in stage:
                x = block(x, () if blocks else earlier)
                blocks.append(x)
            if number < len(self.after):
                x = self.after[number](x)
            outputs.append(x)
        return outputs[1:]
