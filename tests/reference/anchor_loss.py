"""The loss of YOLOv5 v6.0, from its published description, in loops over targets, anchors and cells; float64."""

import math

import torch

NEIGHBOURS = {3: (4.0, 1.0, 0.4), 4: (4.0, 1.0, 0.25, 0.06)}


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def cross_entropy(logit, wanted):
    return max(logit, 0) - logit * wanted + math.log1p(math.exp(-abs(logit)))


def ciou(one, two):
    """Complete IoU of two boxes of centre, width and height: Zheng et al., 2020, https://arxiv.org/abs/1911.08287"""
    (ax, ay, aw, ah), (bx, by, bw, bh) = one, two
    across = min(ax + aw / 2, bx + bw / 2) - max(ax - aw / 2, bx - bw / 2)
    down = min(ay + ah / 2, by + bh / 2) - max(ay - ah / 2, by - bh / 2)
    inter = max(across, 0) * max(down, 0)
    iou = inter / (aw * ah + bw * bh - inter)
    wide = max(ax + aw / 2, bx + bw / 2) - min(ax - aw / 2, bx - bw / 2)
    tall = max(ay + ah / 2, by + bh / 2) - min(ay - ah / 2, by - bh / 2)
    distance = ((ax - bx) ** 2 + (ay - by) ** 2) / (wide**2 + tall**2)
    v = 4 / math.pi**2 * (math.atan(bw / bh) - math.atan(aw / ah)) ** 2
    return iou - distance - v * v / (v - iou + 1)


def cells_of(centre, width, height):
    """The cell of the centre, and those half a cell towards each nearer edge, as far as there is a neighbour beyond it.

    On an edge itself, half a cell to the right or below is the same cell, which then counts twice, as in YOLOv5.
    """
    x, y = centre
    cells = [(int(x), int(y))]
    if x % 1 < 0.5 and x > 1:
        cells.append((int(x - 0.5), int(y)))
    if y % 1 < 0.5 and y > 1:
        cells.append((int(x), int(y - 0.5)))
    if (width - x) % 1 < 0.5 and width - x > 1:
        cells.append((int(x + 0.5), int(y)))
    if (height - y) % 1 < 0.5 and height - y > 1:
        cells.append((int(x), int(y + 0.5)))
    return cells


def anchor_loss(raw, targets, anchors, classes, imgsz):
    """Raw maps (B, A, 5 + classes, H, W), targets of (image, class, x, y, w, h) in fractions, anchors in cells -> box, obj, cls."""
    box = obj = cls = 0.0
    for level, maps in enumerate(raw):
        images, count, _, height, width = maps.shape
        wanted = torch.zeros(images, count, height, width, dtype=torch.float64)
        overlaps, entropies = [], []
        for image, kind, x, y, w, h in targets:
            x, y, w, h = x * width, y * height, w * width, h * height
            for anchor, (aw, ah) in enumerate(anchors[level]):
                if max(w / aw, aw / w, h / ah, ah / h) >= 4:
                    continue
                for column, row in cells_of((x, y), width, height):
                    values = maps[int(image), anchor, :, row, column].tolist()
                    found = (
                        2 * sigmoid(values[0]) - 0.5,
                        2 * sigmoid(values[1]) - 0.5,
                        (2 * sigmoid(values[2])) ** 2 * aw,
                        (2 * sigmoid(values[3])) ** 2 * ah,
                    )
                    overlap = ciou(found, (x - column, y - row, w, h))
                    overlaps.append(overlap)
                    place = (int(image), anchor, row, column)
                    wanted[place] = max(wanted[place], overlap, 0)
                    entropies += [cross_entropy(values[5 + c], float(c == int(kind))) for c in range(classes)]
        if overlaps:
            box += sum(1 - overlap for overlap in overlaps) / len(overlaps)
            cls += sum(entropies) / len(entropies) if classes > 1 else 0
        logits, truths = maps[:, :, 4].flatten().tolist(), wanted.flatten().tolist()
        obj += NEIGHBOURS[len(raw)][level] * sum(map(cross_entropy, logits, truths)) / len(logits)
    scale = 3 / len(raw)
    return 0.05 * scale * box, scale * (imgsz / 640) ** 2 * obj, 0.5 * scale * classes / 80 * cls
