"""Residual blocks of torchvision with a place for an attention layer. He et al., CVPR 2016, https://arxiv.org/abs/1512.03385"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torchvision.models import resnet

from yolo_attn.layers import is_multi_source


class _AttentionBlock:
    """A residual block with an attention layer at the end of its branch, before the shortcut is added, or behind the block."""

    downsample: Any  # torchvision's: a module or None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.attention: Any = None
        self.behind: Any = None

    def _branch(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, x: torch.Tensor, earlier: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        branch = self._branch(x)
        if self.attention is not None:
            branch = self.attention([branch, *earlier] if is_multi_source(type(self.attention)) else branch)
        out = F.relu(branch + (x if self.downsample is None else self.downsample(x)))
        return out if self.behind is None else self.behind(out)


class BasicBlock(_AttentionBlock, resnet.BasicBlock):
    """x (B, C, H, W) -> (B, planes, H / stride, W / stride)."""

    def _branch(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


class Bottleneck(_AttentionBlock, resnet.Bottleneck):
    """x (B, C, H, W) -> (B, 4 * planes, H / stride, W / stride)."""

    def _branch(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn3(self.conv3(F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))))
