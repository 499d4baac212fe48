"""Double attention block (A2-Nets). Chen et al., NeurIPS 2018, https://arxiv.org/abs/1810.11579

Softmaxes over all pixels gather global descriptors, each a weighted sum of the pixels' features. Then a softmax over the
descriptors hands every pixel its own mixture of them, which is added to the pixel. The cost grows with H * W, not with its
square as in a non-local block.
"""

import torch
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_positive


class DoubleAttention(nn.Module):
    """x (B, C, H, W) -> x + a mixture of global descriptors for each pixel, (B, C, H, W). It starts as the identity.

    Args:
        channels: C, 1 or more.
        reduction: C / reduction channels of a descriptor, and as many descriptors, 1 to C. 2 fits the 33.0 M parameters published for
            ResNet-50 best (32.91 M, with the layer behind alternate blocks of stages 3 and 4).

    Source: paper, equations 3 to 5. The shortcut and the last convolution are section 3.3's; that it starts at 0 is ours.
    """

    parameter_formula = "4 * C * m + 3 * m + C; m = C // reduction"
    no_gate = "adds to channels"

    def __init__(self, channels: int, reduction: int = 2):
        super().__init__()
        check_positive(self, channels=channels)
        width = bottleneck_width(self, channels, reduction, advice=", usually 2")
        self.feature = nn.Conv2d(channels, width, 1)
        # The bias adds one number to all scores of a softmax, which cancels it.
        self.gather = nn.Conv2d(channels, width, 1)
        self.distribute = nn.Conv2d(channels, width, 1)
        self.expand = nn.Conv2d(width, channels, 1)
        for parameter in self.expand.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.feature(x).flatten(2)  # (B, m, H * W)
        over_pixels = self.gather(x).flatten(2).softmax(2).to(features.dtype)
        over_descriptors = self.distribute(x).softmax(1).to(features.dtype)  # (B, m, H, W)
        descriptors = torch.bmm(features, over_pixels.transpose(1, 2))  # (B, m, number of descriptors)
        mixed = torch.bmm(descriptors, over_descriptors.flatten(2))
        return x + self.expand(mixed.view(over_descriptors.shape)).to(x.dtype)
