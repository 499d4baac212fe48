"""What the detections of each run say: scores on resampled pictures, kinds of errors, errors by picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_attn.experiment.comparison import BEST, LAST
from yolo_attn.experiment.records import FinishedRun
from yolo_attn.experiment.validation_set import ValidationSet
from yolo_attn.parallel import no_progress, parallel_map
from yolo_attn.statistics.bootstrap import RESAMPLES, ScoreTable, picture_weights, score_resamples
from yolo_attn.statistics.error_kinds import ErrorKinds, find_kinds
from yolo_attn.statistics.outcomes import outcomes, outcomes_by_size, pooled
from yolo_attn.statistics.picture_errors import picture_errors

FOLDERS = {BEST: "detections", LAST: "detections-last"}  # in the folder of a run


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of one run."""

    kinds: ErrorKinds
    by_picture: np.ndarray  # (P,) misses and false alarms


@dataclass(frozen=True, eq=False)
class MeasuredRun:
    """A finished run, its score table at each checkpoint that has detections, and the errors at the leading checkpoint."""

    record: FinishedRun
    tables: Mapping[str, ScoreTable]
    errors: Errors | None


def measure(
    runs: Sequence[tuple[FinishedRun, Path]], validation: ValidationSet, leading: str
) -> tuple[list[MeasuredRun], list[str]]:
    """Measure runs, given with their folders. Scores by object size are in the tables of the leading checkpoint only.

    Sentences say which detections are absent or of other pictures.
    """
    weights = picture_weights(len(validation.truth), RESAMPLES)

    def measured(task: tuple[Path, str]) -> tuple[ScoreTable, Errors | None] | str:
        folder, checkpoint = task
        try:
            return _measure(folder / FOLDERS[checkpoint], validation, weights, checkpoint == leading)
        except (OSError, ValueError) as error:
            return str(error)

    tasks = [(folder, checkpoint) for record, folder in runs for checkpoint in (BEST, LAST) if _has(record, checkpoint)]
    found = dict(zip(tasks, parallel_map(measured, tasks, no_progress, "runs"), strict=True))
    measured_runs = []
    for record, folder in runs:
        of_run = {name: made for name in FOLDERS if not isinstance(made := found.get((folder, name), ""), str)}
        tables = {name: table for name, (table, _) in of_run.items()}
        measured_runs.append(MeasuredRun(record, tables, of_run[leading][1] if leading in of_run else None))
    return measured_runs, _sentences(found)


def _has(record: FinishedRun, checkpoint: str) -> bool:
    return checkpoint == BEST or record.last is not None


def _measure(
    detections: Path, validation: ValidationSet, weights: np.ndarray, in_full: bool
) -> tuple[ScoreTable, Errors | None]:
    rows = pooled(validation.frames(detections), validation.official)
    size = len(validation.truth), len(validation.classes), validation.official
    by_size = outcomes_by_size(rows, *size) if in_full else {}
    table = score_resamples(outcomes(rows, *size), by_size, validation.classes, weights)
    return table, Errors(find_kinds(rows, *size), picture_errors(rows, *size[:2])) if in_full else None


def _sentences(found: Mapping[tuple[Path, str], object]) -> list[str]:
    """One sentence for each checkpoint with problems: the first one, and how many more."""
    sentences = []
    for checkpoint in FOLDERS:
        problems = [made for (_, name), made in found.items() if name == checkpoint and isinstance(made, str)]
        if problems:
            others = f" (and {len(problems) - 1} more runs)" if len(problems) > 1 else ""
            sentences.append(f"resamples and kinds of errors, {checkpoint} epoch: {problems[0]}{others}")
    return sentences
