"""Records of an experiment: the task of a run, and its result. Each is one line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

T = TypeVar("T")
Score = float | None  # percent; None where there is nothing to average


@dataclass(frozen=True)
class Record:
    """A dataclass that is one line of JSON in a file."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls: type[T], text: str) -> T:
        """Read what `to_json` wrote; ValueError for anything else."""
        return _build(cls, json.loads(text))


@dataclass(frozen=True)
class Task(Record):
    """The work of a process: a model YAML, called `name` in the tables, and the arguments of its training."""

    name: str
    model: str
    data: str
    seed: int
    epochs: int
    training: Mapping[str, Any]
    threads: int | None = None  # of torch; None leaves them to Ultralytics, which goes by the machine's cores


@dataclass(frozen=True)
class Environment:
    """The place of a measurement: versions, the device's name, torch's threads, and the commit of a checkout ("" without one)."""

    yolo_attn: str
    commit: str
    ultralytics: str
    torch: str
    python: str
    device: str
    threads: int


@dataclass(frozen=True)
class CarriedWeights(Record):
    """Number of a model's parameters, and of those that came from the checkpoint of `pretrained=`, named without its folder."""

    checkpoint: str
    parameters: int
    carried_parameters: int


@dataclass(frozen=True)
class LastEpoch(Record):
    """The scores of the weights after the last epoch, as `FinishedRun` has those of the best one."""

    scores: Mapping[str, Score]
    per_class: Mapping[str, Mapping[str, Score]]


@dataclass(frozen=True)
class FinishedRun(Record):
    """A run that was trained and measured."""

    model: str
    seed: int
    imgsz: int  # pixels of the longer side of an image
    batch: int  # images in a batch; Ultralytics lowers it by itself where GPU memory does not suffice
    parameters: int  # of the network before fusing
    gflops: float  # 10^9 operations for one image
    latency_ms: float  # of a forward pass of the fused network
    scores: Mapping[str, Score]  # over all classes, of the epoch with the best mAP on the validation images
    per_class: Mapping[str, Mapping[str, Score]]  # {score: {class: percent}}
    curve: Mapping[str, list[float]]  # {"epoch": epochs, score: percent at each}, validated during training
    resumed_after: list[int]  # the epochs after which the training was cut and resumed
    environment: Environment
    carried: CarriedWeights | None = None  # None without a checkpoint
    last: LastEpoch | None = None  # None in records of older versions
    status: str = field(default="finished", init=False)

    @classmethod
    def from_json(cls, text: str) -> "FinishedRun":
        run = run_from_json(text)
        if not isinstance(run, cls):
            raise ValueError("is the record of a failed run")
        return run


@dataclass(frozen=True)
class FailedRun(Record):
    """A run that ended with an error, in one line; `log` is the path of what the run printed."""

    model: str
    seed: int
    error: str
    log: str
    status: str = field(default="failed", init=False)


@dataclass(frozen=True)
class Outcome:
    """The result of an experiment."""

    models: tuple[str, ...]  # in the order of the tables; the first is the baseline
    runs: tuple[FinishedRun, ...]  # of the models and seeds of this experiment
    failed: tuple[FailedRun, ...]  # this time
    table: str = ""  # the text of table.md


def run_from_json(text: str) -> FinishedRun | FailedRun:
    """One line of JSON -> the run that it records; ValueError for anything else."""
    values = json.loads(text)
    if isinstance(values, dict) and values.get("status") == "failed":
        return _build(FailedRun, values)
    run = _build(FinishedRun, values)
    carried = _build(CarriedWeights, run.carried) if run.carried is not None else None
    last = _build(LastEpoch, run.last) if run.last is not None else None
    return replace(run, environment=_build(Environment, run.environment), carried=carried, last=last)


def _build(cls: type[T], values: object) -> T:
    """Make a record of a JSON object; entries that it does not know are left out."""
    if not isinstance(values, dict):
        raise ValueError("is no JSON object")
    known = [entry for entry in fields(cls) if entry.init]  # type: ignore[arg-type]
    missing = [entry.name for entry in known if entry.default is MISSING and entry.name not in values]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}")
    return cls(**{entry.name: values[entry.name] for entry in known if entry.name in values})
