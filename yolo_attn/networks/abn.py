"""Attention branch network (ABN). Fukui et al., CVPR 2019, https://arxiv.org/abs/1812.10025

A second stage 5 without stride, the attention branch, reads stage 4. Its feature maps, one for each class, give a classification of
their own and a gate for each pixel of stage 4, which stage 5 then reads gated.
"""

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.networks.resnet import DEPTHS, ResNet


class ABN(ResNet):
    """image (B, channels, H, W) -> feature maps of stages 2 to 5; stage 5 reads x + x * gate, gate (B, 1, H / 16, W / 16) in (0, 1).

    The paper trains the sum of two cross entropies, of the network's classes and of those of the branch. Ultralytics' loss
    knows the first alone; the branch then learns through its gate, and `classes_of_branch` gets no gradient.

    Args:
        channels: Number of channels of the image.
        depth: 18, 34, 50 or 101.
        classes: Number of classes, 1 or more.

    Raises:
        ValueError: There is no such depth, or no class.

    Source: paper, section 3; its layers as in the authors' code, whose counts the tables of others print.
    """

    def __init__(self, channels: int, depth: int = 50, classes: int = 1000):
        super().__init__(channels, depth)
        if classes < 1:
            raise ValueError(f"ABN: classes must be 1 or more, found {classes}; write nc for those of the data set")
        width = self.widths[-1]
        self.inplanes = self.widths[-2]
        self.branch = self._make_layer(type(self.layer4[0]), 512, DEPTHS[depth][-1])
        self.branch_norm = nn.BatchNorm2d(width)
        self.by_class = nn.Conv2d(width, classes, 1, bias=False)
        self.by_class_norm = nn.BatchNorm2d(classes)
        self.score = nn.Conv2d(classes, 1, 3, padding=1, bias=False)
        self.score_norm = nn.BatchNorm2d(1)
        self.classes_of_branch = nn.Conv2d(classes, classes, 1, bias=False)

    def attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Stage 4 (B, C, H, W) -> its gate (B, 1, H, W), and the logits of the branch (B, classes)."""
        maps = F.relu(self.by_class_norm(self.by_class(self.branch_norm(self.branch(x)))))
        gate = self.score_norm(self.score(maps)).sigmoid()
        return gate, self.classes_of_branch(maps).mean((2, 3))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        outputs = []
        for stage in self.stages[:-1]:
            x = stage(x)
            outputs.append(x)
        gate, _ = self.attend(x)
        return [*outputs, self.layer4(x + x * gate)]
