"""Large separable kernel attention (LSKA). Lau et al., 2023, https://arxiv.org/abs/2309.01439

Every channel is convolved with a large kernel, taken apart into a small one and a dilated one, and each of these into a row and a
column. A 1x1 convolution mixes the channels, and the result multiplies the feature map. There is no sigmoid.
"""

import torch
from torch import nn

from yolo_attn.layers._checks import check_positive


class LSKA(nn.Module):
    """x (B, C, H, W) -> x * gate, gate (B, C, H, W) of any sign and size.

    The gate is linear in x, so the output grows with the square of x: in half precision values above some 200 overflow.

    Args:
        channels: C, 1 or more.
        kernel_size: Side k of the kernel that is taken apart, such that k // dilation is odd. The paper's are 7 and 11 with dilation 2, and
            23, 35 and 53 with dilation 3.
        dilation: Of the second pair of convolutions, 1 or more; the first pair has 2 * dilation - 1 values.

    Source: paper, section 3; the convolutions have biases, as in the authors' code.
    """

    parameter_formula = "2 * C * (2 * dilation - 1 + kernel_size // dilation) + 4 * C + C**2 + C"

    def __init__(self, channels: int, kernel_size: int = 23, dilation: int = 3):
        super().__init__()
        check_positive(self, "dilation is 2 or 3", channels=channels, dilation=dilation)
        near, far = 2 * dilation - 1, kernel_size // dilation
        if far < 1 or far % 2 == 0:
            raise ValueError(
                f"LSKA: kernel_size // dilation must be odd and positive, found {far}; write 11 with 2, or 23 with 3."
            )

        def depthwise(size: tuple[int, int], step: int = 1) -> nn.Conv2d:
            padding = (size[0] // 2 * step, size[1] // 2 * step)
            return nn.Conv2d(channels, channels, size, padding=padding, dilation=step, groups=channels)

        self.near_row, self.near_column = depthwise((1, near)), depthwise((near, 1))
        self.far_row, self.far_column = depthwise((1, far), dilation), depthwise((far, 1), dilation)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        near = self.near_column(self.near_row(x))
        gate = self.pointwise(self.far_column(self.far_row(near)))
        return x * gate.to(x.dtype)
