"""AP and recall of one range of sizes as plain loops, written from the definition; shares no code with the package.

An image is (annotations, detections) from which the ignored regions have removed what they remove.
"""

import math

from tests.reference.visdrone_evaluate import THRESHOLDS, area, curve, share


def by_size(images, low, high):
    """Images in name order -> AP, AP50, AP75, AR500 and recall50 of boxes of low ** 2 <= area < high ** 2."""

    def inside(row):
        return low * low <= row[2] * row[3] < high * high

    means = []
    for c in range(1, 11):
        total = sum(g[5] == c and inside(g) for truth, _ in images for g in truth)
        weight = sum(any(g[5] == c and inside(g) for g in truth) for truth, _ in images)
        ap, recall = [], []
        for threshold in THRESHOLDS:
            flagged = []
            for truth, found in images:
                mine = [g for g in truth if g[5] == c]
                flagged += match([d for d in found[:500] if d[5] == c], mine, threshold, inside)
            flagged.sort(key=lambda entry: -entry[0])
            precisions, recalls = curve([flag for _, flag in flagged], total)
            ap.append(100 * area(precisions, recalls))
            recall.append(100 * max(recalls, default=0.0))
        means += [[sum(ap) / 10, ap[0], ap[5], sum(recall) / 10, recall[0]]] * weight
    return [sum(column) / len(means) for column in zip(*means, strict=True)] if means else [math.nan] * 5


def match(found, truth, threshold, inside):
    """Detections and ground truth of one class in one image -> [(score, "TP" | "FP" | "neither")]."""
    taken, flagged = set(), []
    for d in sorted(found, key=lambda d: -d[4]):
        free = [index for index in range(len(truth)) if index not in taken]
        real = [index for index in free if truth[index][4] != 0 and inside(truth[index])]
        # (overlap, score-0 boxes first, index): the largest is taken
        wanted = [(share(d, truth[index], False), 0, index) for index in real]
        wanted = [choice for choice in wanted if choice[0] >= threshold]
        if wanted:
            taken.add(max(wanted)[2])
            flagged.append((d[4], "TP"))
            continue
        other = [index for index in free if index not in real]
        excuses = [(share(d, truth[i], truth[i][4] == 0), int(truth[i][4] == 0), i) for i in other]
        excuses = [choice for choice in excuses if choice[0] >= threshold]
        if excuses:
            _, without_score, index = max(excuses)
            if not without_score:
                taken.add(index)
        flagged.append((d[4], "FP" if not excuses and inside(d) else "neither"))
    return flagged
