"""The official VisDrone evaluation as plain loops over pixels, boxes and thresholds: slow, and meant to be seen right.

Written from the protocol alone; shares no code with the package. An image is (width, height, annotations, detections),
the last two being lists of rows (left, top, width, height, score, category, ...) in file order.
"""

import math
from decimal import ROUND_HALF_UP, Decimal

import numpy as np

THRESHOLDS = [0.5 + k * 0.05 for k in range(10)]
LIMITS = [1, 10, 100, 500]
NAMES = ["AP", "AP50", "AP75", "AR1", "AR10", "AR100", "AR500"]


def evaluate(images):
    """Images in name order -> the seven numbers, both class means, and what they are made of."""
    kept = [drop_ignored(*image) for image in images]
    evaluated = []  # a class once for every image that contains it
    ap = [[0.0] * 10 for _ in range(10)]
    ar = [[[0.0] * 4 for _ in range(10)] for _ in range(10)]
    for c in range(1, 11):
        evaluated += [c for truth, _ in kept if any(g[5] == c for g in truth)]
        for k, threshold in enumerate(THRESHOLDS):
            for m, limit in enumerate(LIMITS):
                flagged, total = [], 0
                for truth, found in kept:
                    mine = [g for g in truth if g[5] == c]
                    total += len(mine)
                    flagged += match([d for d in found[:limit] if d[5] == c], mine, threshold)
                flagged.sort(key=lambda entry: -entry[0])
                precision, recall = curve([flag for _, flag in flagged], total)
                ar[c - 1][k][m] = 100 * max(recall, default=0.0)
            ap[c - 1][k] = 100 * area(precision, recall)
    return {
        "official": seven(ap, ar, evaluated),
        "plain_class_mean": seven(ap, ar, sorted(set(evaluated))),
        "ap": np.array(ap),
        "ar": np.array(ar),
        "images_per_class": [evaluated.count(c) for c in range(1, 11)],
        "kept": [(len(truth), len(found)) for truth, found in kept],
    }


def seven(ap, ar, classes):
    if not classes:
        return dict.fromkeys(NAMES, math.nan)
    values = [np.mean([np.mean(ap[c - 1]) for c in classes])]
    values += [np.mean([ap[c - 1][k] for c in classes]) for k in (0, 5)]
    values += [np.mean([ar[c - 1][k][m] for c in classes for k in range(10)]) for m in range(4)]
    return dict(zip(NAMES, values, strict=True))


def half_away(value):
    return int(Decimal(value).to_integral_value(ROUND_HALF_UP))  # exact, and away from zero on a tie


def drop_ignored(width, height, annotations, detections):
    regions = [row for row in annotations if row[5] == 0]
    truth = [row for row in annotations if row[5] != 0]
    if not regions:
        return truth, list(detections)
    painted = np.zeros((height + 1, width + 1), bool)  # row 0 and column 0 are not used: pixels count from 1
    for row in regions:
        x, y, w, h = (max(1, half_away(value)) for value in row[:4])
        painted[y : min(height, y + h) + 1, x : min(width, x + w) + 1] = True

    def stays(row):
        x, y, w, h = (max(1, half_away(value)) for value in row[:4])
        x, y = min(x, width), min(y, height)
        inside = painted[y + 1 : min(height, y + h) + 1, x + 1 : min(width, x + w) + 1].sum()
        return inside / (h * w) < 0.5

    return [row for row in truth if stays(row)], [row for row in detections if stays(row)]


def match(found, truth, threshold):
    """Detections and ground truth of one class in one image -> [(score, "TP" | "FP" | "neither")]."""
    found = sorted(found, key=lambda d: -d[4])
    truth = sorted(truth, key=lambda g: g[4] == 0)
    taken = [False] * len(truth)
    flagged = []
    for d in found:
        best, chosen = threshold, None
        for index, g in enumerate(truth):
            ignored = g[4] == 0
            if taken[index]:
                continue
            if chosen is not None and ignored:
                break
            overlap = share(d, g, ignored)
            if overlap >= best:
                best, chosen = overlap, index
        if chosen is None:
            flagged.append((d[4], "FP"))
        elif truth[chosen][4] == 0:
            flagged.append((d[4], "neither"))
        else:
            taken[chosen] = True
            flagged.append((d[4], "TP"))
    return flagged


def share(d, g, ignored):
    across = min(d[0] + d[2], g[0] + g[2]) - max(d[0], g[0])
    down = min(d[1] + d[3], g[1] + g[3]) - max(d[1], g[1])
    if across <= 0 or down <= 0:
        return 0.0
    inter = across * down
    return inter / (d[2] * d[3] if ignored else d[2] * d[3] + g[2] * g[3] - inter)


def curve(flags, total):
    precision, recall, right, wrong = [], [], 0, 0
    for flag in flags:
        right += flag == "TP"
        wrong += flag == "FP"
        precision.append(right / max(1, right + wrong))
        recall.append(right / max(1, total))
    return precision, recall


def area(precision, recall):
    precision, recall = [0.0, *precision, 0.0], [0.0, *recall, 1.0]
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))
