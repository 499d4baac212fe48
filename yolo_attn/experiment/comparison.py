"""statistics.json of an experiment's folder: how the models differ from the first, how sure that is, and which errors they make."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_attn.statistics.error_kinds import ErrorKind
from yolo_attn.statistics.intervals import Interval
from yolo_attn.storage import atomic_write

NAME = "statistics.json"
# Checkpoints: the best epoch is chosen by its score on the validation pictures, the last is not.
BEST, LAST = "best", "last"


@dataclass(frozen=True)
class Comparison:
    """A model less the baseline, by one metric at one checkpoint. None where there is nothing to say, as with one seed."""

    model: str
    checkpoint: str
    metric: str
    seeds: tuple[int, ...]  # that both models have
    difference: float  # percentage points, the mean over seeds
    by_seed: tuple[float, ...]
    method: str | None  # the method of the next three
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None  # adjusted for all models of this metric and checkpoint
    intervals: tuple[Interval, ...]  # by every method


@dataclass(frozen=True)
class Part:
    """A model less the baseline on one class, or on objects of one range of sizes."""

    model: str
    checkpoint: str
    kind: str  # "class" or "size"
    name: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    q: float | None  # adjusted for all classes, or all sizes, of this model


@dataclass(frozen=True)
class ModelErrors:
    """The errors of one model, means over its seeds."""

    model: str
    checkpoint: str
    seeds: tuple[int, ...]
    AP50: float
    kinds: tuple[ErrorKind, ...]
    false_positives_dAP: float  # noqa: N815  TIDE's name
    false_negatives_dAP: float  # noqa: N815  TIDE's name


@dataclass(frozen=True)
class ChangedPicture:
    """Misses and false alarms in one picture, means over the seeds that the model and the baseline have."""

    model: str
    checkpoint: str
    picture: str
    image: str
    baseline_errors: float
    errors: float
    change: float


@dataclass(frozen=True)
class Statistics:
    """All of it. `metric` and `checkpoint` are those to lead with."""

    baseline: str
    protocol: str | None  # of the stored detections, "VisDrone" or "COCO"; None without any
    metric: str
    checkpoint: str
    method: str | None  # that the differences by the leading metric were judged with
    pictures: int | None
    resamples: int
    level: float
    comparisons: tuple[Comparison, ...]
    parts: tuple[Part, ...]
    errors: tuple[ModelErrors, ...]
    changed_pictures: tuple[ChangedPicture, ...]
    not_defined: tuple[str, ...]  # a sentence about each thing that is missing

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Statistics":
        """Read what `to_json` wrote; ValueError for anything else."""
        try:
            return _statistics(json.loads(text))
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"is no statistics of an experiment ({error!r})") from error


def write(folder: Path, statistics: Statistics) -> None:
    """Write statistics.json."""
    atomic_write(folder / NAME, statistics.to_json() + "\n")


def read(folder: Path) -> Statistics:
    """Read statistics.json; FileNotFoundError if it is not there, ValueError if it is damaged."""
    file = folder / NAME
    try:
        return Statistics.from_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}; run `yolo-attn bench` again with the same arguments") from error


def _statistics(values: dict[str, Any]) -> Statistics:
    def tuples(of: dict[str, Any], *names: str) -> dict[str, Any]:
        return {**of, **{name: tuple(of[name]) for name in names}}

    def comparison(of: dict[str, Any]) -> Comparison:
        intervals = tuple(Interval(**interval) for interval in of["intervals"])
        return Comparison(**{**tuples(of, "seeds", "by_seed"), "intervals": intervals})

    def errors(of: dict[str, Any]) -> ModelErrors:
        return ModelErrors(**{**tuples(of, "seeds"), "kinds": tuple(ErrorKind(**kind) for kind in of["kinds"])})

    made = {
        "comparisons": tuple(map(comparison, values["comparisons"])),
        "parts": tuple(Part(**part) for part in values["parts"]),
        "errors": tuple(map(errors, values["errors"])),
        "changed_pictures": tuple(ChangedPicture(**picture) for picture in values["changed_pictures"]),
        "not_defined": tuple(values["not_defined"]),
    }
    return Statistics(**{**values, **made})
