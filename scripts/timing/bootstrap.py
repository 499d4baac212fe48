"""The time of a paired bootstrap of official AP on a drawn set of the size of VisDrone val.

python -m scripts.timing.bootstrap [--resamples N] [--rounds N]
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import typer

from scripts import results
from scripts.timing.timer import seconds
from scripts.timing.visdrone import draw_detections
from yolo_attn.parallel import no_progress, parallel_map
from yolo_attn.statistics.bootstrap import picture_weights, score_resamples
from yolo_attn.statistics.error_kinds import find_kinds
from yolo_attn.statistics.outcomes import outcomes, outcomes_by_size, pooled
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.submission import Frame, load


def main(resamples: int = 1000, rounds: int = 3) -> None:
    """Two runs, a thread each: the matching, the resamples of AP with all classes, those by size, and the kinds of errors."""
    with tempfile.TemporaryDirectory() as name:
        sets = []
        for seed in (0, 1):
            folder = Path(name, str(seed))
            folder.mkdir()
            sizes = draw_detections(folder, np.random.default_rng(seed))
            sets.append(load(folder / "annotations", folder / "detections", sizes).frames)
    size = len(sets[0]), len(NAMES), True
    weights = picture_weights(size[0], resamples)

    def matched(frames: tuple[Frame, ...]) -> tuple:
        rows = pooled(frames, True)
        return rows, outcomes(rows, *size), outcomes_by_size(rows, *size)

    pairs = parallel_map(matched, sets, no_progress, "")
    steps = {
        "matching, once": lambda: parallel_map(matched, sets, no_progress, ""),
        f"{resamples:,} resamples: AP, AP50, AP of 10 classes": lambda: parallel_map(
            lambda run: score_resamples(run[1], {}, NAMES, weights), pairs, no_progress, ""
        ),
        f"{resamples:,} resamples: the same, and AP of 5 object sizes": lambda: parallel_map(
            lambda run: score_resamples(run[1], run[2], NAMES, weights), pairs, no_progress, ""
        ),
        "kinds of errors, once": lambda: parallel_map(lambda run: find_kinds(run[0], *size), pairs, no_progress, ""),
    }
    rows = []
    for step, call in steps.items():
        taken = [seconds(call) for _ in range(rounds)]
        rows.append((step, float(np.median(taken)), ", ".join(f"{value:.1f}" for value in taken)))
    detections = sum(len(frame.detections) for frames in sets for frame in frames)
    note = f"A pair of runs on {size[0]} pictures, {detections:,} detections together, on {os.cpu_count()} cores."
    results.save("bootstrap", ("step", "median, s", "all rounds, s"), rows, results.made("numpy"), note)


if __name__ == "__main__":
    typer.run(main)
