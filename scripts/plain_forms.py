"""Layers as their equations are usually put into operators of torch. Called as f(layer, x)."""

import torch
import torch.nn.functional as F

from yolo_attn.layers.ema import EMA, definition


class PlainEMA(EMA):
    """x (B, C, H, W) -> (B, C, H, W): every step of the paper as an operator of torch."""

    def forward(self, x):
        return definition(x, self.conv1x1, self.gn, self.conv3x3)


def bam(m, x):
    by_channel = m.expand(F.relu(m.norm(m.squeeze(x.mean((2, 3))))))
    return x * (1 + torch.sigmoid(by_channel[:, :, None, None] + m.pixels(x)))


def fca(m, x, bases={}):  # noqa: B006
    if x.shape not in bases:  # one set for each size, as constants: their values do not change the time
        bases[x.shape] = torch.rand(x.shape[1:])
    pooled = (x * bases[x.shape]).sum((2, 3))
    return x * m.expand(F.relu(m.squeeze(pooled))).sigmoid()[:, :, None, None]


def gam(m, x):
    squeeze, expand = m.squeeze.weight.flatten(1), m.expand.weight.flatten(1)
    hidden = F.relu(F.linear(x.permute(0, 2, 3, 1), squeeze, m.squeeze.bias))
    x = x * F.linear(hidden, expand, m.expand.bias).permute(0, 3, 1, 2).sigmoid()
    return x * m.restore(F.relu(m.norm(m.reduce(x)))).sigmoid()


def nam(m, x):
    return x * torch.sigmoid(m.norm(x) * (m.norm.weight.abs() / m.norm.weight.abs().sum())[:, None, None])


def sge(m, x):
    folded = x.view(-1, m.channels // m.groups, *x.shape[2:])
    t = (folded * folded.mean((2, 3), keepdim=True)).sum(1).flatten(1)
    t = t - t.mean(1, keepdim=True)
    t = t / (t.std(1, keepdim=True) + 1e-5)
    t = t.view(len(x), m.groups, -1) * m.weight + m.bias
    return (folded * t.view(-1, 1, *x.shape[2:]).sigmoid()).view(x.shape)


def srm(m, x):
    style = torch.stack([x.mean((2, 3)), (x.var((2, 3)) + 1e-5).sqrt()], 2)
    return x * m.norm((style * m.weight).sum(2)).sigmoid()[:, :, None, None]


def triplet(m, x):
    def gate(convolution, x):
        return x * convolution(torch.stack([x.amax(1), x.mean(1)], 1)).sigmoid()

    columns = gate(m.over_rows, x.transpose(1, 2).contiguous()).transpose(1, 2)
    return (gate(m.over_channels, x) + columns + gate(m.over_columns, x.transpose(1, 3)).transpose(1, 3)) / 3


PLAIN = {"BAM": bam, "FCA": fca, "GAM": gam, "NAM": nam, "SGE": sge, "SRM": srm, "TripletAttention": triplet}
