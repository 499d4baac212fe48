"""Differences between two models, paired by seed, in every column of their score tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_attn.experiment.measured_runs import MeasuredRun


@dataclass(frozen=True, eq=False)
class PairedTables:
    """A model less the baseline, for S seeds that both have."""

    seeds: tuple[int, ...]
    pictures: int
    names: tuple[tuple[str, str], ...]  # of the M columns
    whole: np.ndarray  # (S, M)
    resampled: np.ndarray  # (W, S, M)

    def of(self, name: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Differences of a column: (S,), and (W, S) on the resamples."""
        column = self.names.index(name)
        return self.whole[:, column], self.resampled[:, :, column]


def paired_tables(runs: Sequence[MeasuredRun], model: str, baseline: str, checkpoint: str) -> PairedTables | None:
    """Pair two models; None if no seed of both has a score table."""
    own, base = (
        {
            run.record.seed: run.tables[checkpoint]
            for run in runs
            if run.record.model == name and checkpoint in run.tables
        }
        for name in (model, baseline)
    )
    seeds = tuple(sorted(own.keys() & base.keys()))
    if not seeds:
        return None
    pairs = [(own[seed], base[seed]) for seed in seeds]
    return PairedTables(
        seeds=seeds,
        pictures=pairs[0][0].pictures,
        names=pairs[0][0].names,
        whole=np.stack([mine.whole - other.whole for mine, other in pairs]),
        resampled=np.stack([mine.resampled - other.resampled for mine, other in pairs], 1),
    )
