"""Non-local block. Wang et al., CVPR 2018, https://arxiv.org/abs/1711.07971

Every pixel is a query to all pixels: a softmax over their scores weighs the sum of their values, which is added to the pixel. This is
the paper's embedded Gaussian.

The scores of a feature map are (H * W) x (H * W). At P5 of an image of 640 pixels that is 400 x 400; at P3 it is 6,400 x 6,400, 164 MB
for each image in float32, and 16 times that for an image of 1280 pixels. torch's fused attention computes them in parts and does not hold
them, but the time stays; an ONNX file holds them. Place the block at P5 or P4. The paper's max-pool of keys and values is left out.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from yolo_attn.layers._checks import bottleneck_width, check_positive


class NonLocal(nn.Module):
    """x (B, C, H, W) -> x + a weighted sum over all pixels, (B, C, H, W). It starts as the identity.

    Authors' code: divides the scores by sqrt(C / reduction) before the softmax, which the equations do not. The equations
    are the default; in a wide layer their softmax soon picks single pixels. Under mixed precision scores stay in single precision.

    Args:
        channels: C, 1 or more.
        reduction: C / reduction channels of queries, keys and values, 1 to C.
        batch_norm: Normalise what is added by a BatchNorm whose weights start at 0, as in section 4.1 on video. Otherwise
            the last convolution starts at 0, as in section 3.3; the parameter counts published for COCO agree with that.
        authors_code: Divide the scores, as in the released code.

    Source: paper, equations 1, 4 and 6.
    """

    parameter_formula = "4 * C * m + 3 * m + C + batch_norm * C; m = C // reduction"
    wrong_in: ClassVar[dict[str, str]] = {"paddle": "whose file is a few percent off"}
    no_gate = "adds to channels"

    def __init__(self, channels: int, reduction: int = 2, batch_norm: bool = False, authors_code: bool = False):
        super().__init__()
        check_positive(self, channels=channels)
        width = bottleneck_width(self, channels, reduction, advice=", usually 2")
        self.scale = width**-0.5 if authors_code else 1.0
        self.query = nn.Linear(channels, width)
        # The bias adds one number to all scores of a pixel, which the softmax cancels.
        self.key = nn.Linear(channels, width)
        self.value = nn.Linear(channels, width)
        self.expand = nn.Conv2d(width, channels, 1, bias=not batch_norm)
        self.norm = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
        last: nn.Module = self.norm if batch_norm else self.expand
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # (B, 1, H * W, C), contiguous: without the axis of heads, or transposed afterwards, torch takes the form that holds all scores in
        # memory at once.
        pixels = x.flatten(2).transpose(1, 2)[:, None]
        device = "cpu" if x.is_meta else x.device.type  # autocast does not know the meta device
        with torch.autocast(device, enabled=False):  # scores grow with the width; rounded ones would pick other pixels
            pixels = pixels.to(self.query.weight.dtype)
            query, key, value = self.query(pixels), self.key(pixels), self.value(pixels)
            summed = F.scaled_dot_product_attention(query, key, value, scale=self.scale)[:, 0].transpose(1, 2)
        summed = summed.reshape(-1, self.query.out_features, *x.shape[2:])
        return x + self.norm(self.expand(summed)).to(x.dtype)
