"""A detector of YOLOv5 v6.0 as its description has it, and checkpoints of it under the module paths of its own code.

Described at https://github.com/ultralytics/yolov5: models/yolov5s.yaml, and the head's equations in the documentation's "architecture
summary". Conv, BatchNorm and SiLU; C3 of two paths; SPPF of three pools in a row; a neck up and down; one 1x1 convolution a level.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import nn

WIDTHS = {"n": (0.33, 0.25), "s": (0.33, 0.5)}  # depth and width
ANCHORS = ((11, 13, 17, 31, 32, 22), (29, 60, 63, 44, 58, 118), (115, 91, 155, 199, 372, 325))  # none of v6.0's own
STRIDES = (8, 16, 32)


class Conv(nn.Module):
    def __init__(self, c1, c2, k=1, s=1, p=None):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, k // 2 if p is None else p, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut):
        super().__init__()
        self.cv1, self.cv2, self.add = Conv(c, c, 1), Conv(c, c, 3), shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3(nn.Module):
    def __init__(self, c1, c2, n, shortcut=True):
        super().__init__()
        self.cv1, self.cv2, self.cv3 = Conv(c1, c2 // 2), Conv(c1, c2 // 2), Conv(c2, c2)
        self.m = nn.Sequential(*(Bottleneck(c2 // 2, shortcut) for _ in range(n)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    def __init__(self, c1, c2):
        super().__init__()
        self.cv1, self.cv2 = Conv(c1, c1 // 2), Conv(c1 * 2, c2)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        maps = [self.cv1(x)]
        for _ in range(3):
            maps.append(self.m(maps[-1]))
        return self.cv2(torch.cat(maps, 1))


class Concat(nn.Module):
    def forward(self, x):
        return torch.cat(x, 1)


class Detect(nn.Module):
    """Maps of three levels -> (B, N, 5 + classes): centre, size in pixels, objectness, classes; level, anchor, row, column."""

    def __init__(self, nc, ch):
        super().__init__()
        self.nc, self.no = nc, nc + 5
        self.stride = torch.tensor(STRIDES, dtype=torch.float32)
        anchors = torch.tensor(ANCHORS, dtype=torch.float32).view(3, 3, 2)
        self.register_buffer("anchors", anchors / self.stride.view(3, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(width, 3 * self.no, 1) for width in ch)

    def forward(self, x):
        found = []
        for level, (convolution, entry) in enumerate(zip(self.m, x, strict=True)):
            raw = convolution(entry)
            b, _, h, w = raw.shape
            p = raw.reshape(b, 3, self.no, h, w).permute(0, 1, 3, 4, 2).sigmoid()  # (B, 3, H, W, 5 + classes)
            row, column = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
            cell = torch.stack((column, row), -1).to(p)
            xy = (2 * p[..., :2] - 0.5 + cell) * self.stride[level]
            wh = (2 * p[..., 2:4]) ** 2 * (self.anchors[level] * self.stride[level]).view(1, 3, 1, 1, 2)
            found.append(torch.cat((xy, wh, p[..., 4:]), -1).reshape(b, -1, self.no))
        return torch.cat(found, 1)


class Model(nn.Module):
    """Images (B, 3, H, W) -> what `Detect` gives."""

    def __init__(self, scale="n", nc=2):
        super().__init__()
        depth, width = WIDTHS[scale]
        c = [int(channels * width) for channels in (64, 128, 256, 512, 1024)]
        n = [max(round(count * depth), 1) for count in (3, 6, 9, 3)]
        up = nn.Upsample(scale_factor=2, mode="nearest")
        rows = [  # the rows it reads, and the row
            (-1, Conv(3, c[0], 6, 2, 2)),
            (-1, Conv(c[0], c[1], 3, 2)),
            (-1, C3(c[1], c[1], n[0])),
            (-1, Conv(c[1], c[2], 3, 2)),
            (-1, C3(c[2], c[2], n[1])),
            (-1, Conv(c[2], c[3], 3, 2)),
            (-1, C3(c[3], c[3], n[2])),
            (-1, Conv(c[3], c[4], 3, 2)),
            (-1, C3(c[4], c[4], n[3])),
            (-1, SPPF(c[4], c[4])),
            (-1, Conv(c[4], c[3])),
            (-1, up),
            ((-1, 6), Concat()),
            (-1, C3(2 * c[3], c[3], n[0], False)),
            (-1, Conv(c[3], c[2])),
            (-1, up),
            ((-1, 4), Concat()),
            (-1, C3(2 * c[2], c[2], n[0], False)),
            (-1, Conv(c[2], c[2], 3, 2)),
            ((-1, 14), Concat()),
            (-1, C3(2 * c[2], c[3], n[0], False)),
            (-1, Conv(c[3], c[3], 3, 2)),
            ((-1, 10), Concat()),
            (-1, C3(2 * c[3], c[4], n[0], False)),
            ((17, 20, 23), Detect(nc, (c[2], c[3], c[4]))),
        ]
        self.sources = [source for source, _ in rows]
        self.model = nn.Sequential(*(row for _, row in rows))
        self.names = [f"kind {number}" for number in range(nc)]
        self.stride = self.model[-1].stride

    def forward(self, x):
        outputs = []
        for source, row in zip(self.sources, self.model, strict=True):
            if isinstance(source, tuple):
                x = [outputs[index] for index in source]
            x = row(x)
            outputs.append(x)
        return x


COMMON, YOLO = (Conv, Bottleneck, C3, SPPF, Concat), (Detect, Model)


@contextmanager
def as_yolov5() -> Iterator[None]:
    """Give the classes the module paths of YOLOv5's own code, which exist within the block only."""
    modules = {"models": (), "models.common": COMMON, "models.yolo": YOLO}
    try:
        for path, classes in modules.items():
            sys.modules[path] = ModuleType(path)
            for kind in classes:
                kind.__module__ = path
                setattr(sys.modules[path], kind.__name__, kind)
        yield
    finally:
        for path, classes in modules.items():
            sys.modules.pop(path, None)
            for kind in classes:
                kind.__module__ = __name__


def trained(scale: str = "n", nc: int = 2) -> Model:
    """A model whose weights and running statistics are not those of a fresh one."""
    torch.manual_seed(0)
    model = Model(scale, nc)
    with torch.no_grad():
        model.train()
        for _ in range(3):
            model(torch.rand(2, 3, 64, 64))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    return model.eval()
