"""Layers as their equations are usually put into operators of torch: what the package's forms are timed against.

PLAIN[name](layer, x) computes the layer with its own parameters. The bases of FCA are random: their values do not change the time.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from yolo_attn.layers import BAM, EMA, FCA, GAM, NAM, SGE, SRM, TripletAttention
from yolo_attn.layers.ema import definition


class PlainEMA(EMA):
    """x (B, C, H, W) -> (B, C, H, W): every step of the paper as an operator of torch."""

    def forward(self, x: Tensor) -> Tensor:
        return definition(x, self.conv1x1, self.gn, self.conv3x3)


def bam(layer: BAM, x: Tensor) -> Tensor:
    by_channel = layer.expand(F.relu(layer.norm(layer.squeeze(x.mean((2, 3))))))
    return x * (1 + torch.sigmoid(by_channel[:, :, None, None] + layer.pixels(x)))


@functools.cache
def _basis(shape: torch.Size) -> Tensor:
    return torch.rand(shape)


def fca(layer: FCA, x: Tensor) -> Tensor:
    pooled = (x * _basis(x.shape[1:])).sum((2, 3))
    return x * layer.expand(F.relu(layer.squeeze(pooled))).sigmoid()[:, :, None, None]


def gam(layer: GAM, x: Tensor) -> Tensor:
    squeeze, expand = layer.squeeze.weight.flatten(1), layer.expand.weight.flatten(1)
    hidden = F.relu(F.linear(x.permute(0, 2, 3, 1), squeeze, layer.squeeze.bias))
    x = x * F.linear(hidden, expand, layer.expand.bias).permute(0, 3, 1, 2).sigmoid()
    return x * layer.restore(F.relu(layer.norm(layer.reduce(x)))).sigmoid()


def nam(layer: NAM, x: Tensor) -> Tensor:
    scale = layer.norm.weight.abs()
    return x * torch.sigmoid(layer.norm(x) * (scale / scale.sum())[:, None, None])


def sge(layer: SGE, x: Tensor) -> Tensor:
    groups = x.view(-1, layer.channels // layer.groups, *x.shape[2:])
    score = (groups * groups.mean((2, 3), keepdim=True)).sum(1).flatten(1)
    score = score - score.mean(1, keepdim=True)
    score = score / (score.std(1, keepdim=True) + 1e-5)
    score = score.view(len(x), layer.groups, -1) * layer.weight + layer.bias
    return (groups * score.view(-1, 1, *x.shape[2:]).sigmoid()).view(x.shape)


def srm(layer: SRM, x: Tensor) -> Tensor:
    style = torch.stack([x.mean((2, 3)), (x.var((2, 3)) + 1e-5).sqrt()], 2)
    return x * layer.norm((style * layer.weight).sum(2)).sigmoid()[:, :, None, None]


def triplet(layer: TripletAttention, x: Tensor) -> Tensor:
    def gated(convolution: nn.Module, x: Tensor) -> Tensor:
        return x * convolution(torch.stack([x.amax(1), x.mean(1)], 1)).sigmoid()

    columns = gated(layer.over_rows, x.transpose(1, 2).contiguous()).transpose(1, 2)
    rows = gated(layer.over_columns, x.transpose(1, 3)).transpose(1, 3)
    return (gated(layer.over_channels, x) + columns + rows) / 3


PLAIN = {"BAM": bam, "FCA": fca, "GAM": gam, "NAM": nam, "SGE": sge, "SRM": srm, "TripletAttention": triplet}
