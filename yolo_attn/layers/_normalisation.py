"""Normalisations without weight and bias, for DMSA. Each maps x (N, C, H, W) to the same shape and takes a single pixel as well."""

import math

import torch
from torch import nn

EPS = 1e-5


class InstanceNorm(nn.Module):
    """Normalise each channel of each image over its pixels. torch's own module refuses a single pixel."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.group_norm(x, self.channels, eps=EPS)


class BatchNorm(nn.BatchNorm2d):
    """Normalise each channel over the batch and its pixels; in evaluation, and for a single value, with the running statistics."""

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, channels: int):
        super().__init__(channels, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and x.numel() > self.num_features:
            return super().forward(x)
        # Written out, as the export of torch's operator needs a width that it knows.
        return (x - self.running_mean[:, None, None]) * (self.running_var[:, None, None] + self.eps).rsqrt()


class GroupNorm(nn.Module):
    """Normalise each group of 16 channels of an image, or of the largest number that divides both 16 and the channels.

    Wu and He, https://arxiv.org/abs/1803.08494, fixes 16 channels a group, or 32 groups, which few channels do not have.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.groups = channels // math.gcd(channels, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.group_norm(x, self.groups, eps=EPS)


class SwitchableNorm(nn.Module):
    """Normalise with a learnt mixture of the statistics of a channel, of an image and of the batch.

    Luo et al., https://arxiv.org/abs/1806.10779, equations 2 to 5. In evaluation the statistics of the batch are running means.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, channels: int, momentum: float = 0.1):
        super().__init__()
        self.momentum = momentum
        self.mean_weight = nn.Parameter(torch.ones(3))  # before a softmax: of a channel, of an image, of the batch
        self.var_weight = nn.Parameter(torch.ones(3))
        self.register_buffer("running_mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("running_var", torch.ones(1, channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # sums of squares overflow in half precision
        mean = wide.mean((2, 3), keepdim=True)
        var = (wide - mean).square().mean((2, 3), keepdim=True)
        image_mean, image_var = _joined(mean, var, 1)
        if self.training:
            batch_mean, batch_var = _joined(mean, var, 0)
            self.running_mean.lerp_(batch_mean.detach().to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(batch_var.detach().to(self.running_var.dtype), self.momentum)
        else:
            batch_mean, batch_var = self.running_mean, self.running_var
        of_mean, of_var = self.mean_weight.softmax(0), self.var_weight.softmax(0)
        mean = of_mean[0] * mean + of_mean[1] * image_mean + of_mean[2] * batch_mean
        var = of_var[0] * var + of_var[1] * image_var + of_var[2] * batch_var
        return ((wide - mean) / (var + EPS).sqrt()).to(x.dtype)


def _joined(mean: torch.Tensor, var: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and variances of equally large parts along an axis -> those of their union."""
    joined = mean.mean(axis, keepdim=True)
    return joined, var.mean(axis, keepdim=True) + (mean - joined).square().mean(axis, keepdim=True)
