"""What is recorded of an experiment: the task of a run, and what became of it. Each record is one line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")
Score = float | None  # percent; None where there is nothing to average


@dataclass(frozen=True)
class Record:
    """A dataclass that is one line of JSON in a file."""

    def to_json(self) -> str:
        """The record as one line."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls: type[T], text: str) -> T:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is no JSON, or lacks something that the record has.
        """
        return _build(cls, json.loads(text))


@dataclass(frozen=True)
class Task(Record):
    """What a worker process is to train and measure.

    Attributes:
        name: Name of the model in the tables.
        model: Path of its YAML.
        data: Path of the data YAML.
        seed: Seed of the training.
        epochs: Epochs of the training.
        training: Further arguments of Ultralytics' training, by name.
    """

    name: str
    model: str
    data: str
    seed: int
    epochs: int
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Environment:
    """Where a run was measured: versions, the device's name, torch's threads, and the commit of a checkout ("" without one)."""

    yolo_attn: str
    commit: str
    ultralytics: str
    torch: str
    python: str
    device: str
    threads: int


@dataclass(frozen=True)
class CarriedWeights(Record):
    """The weights that a model got from the checkpoint of `pretrained=`.

    Attributes:
        checkpoint: Name of its file.
        parameters: Parameters of the model.
        carried_parameters: Those of them that came from the checkpoint.
    """

    checkpoint: str
    parameters: int
    carried_parameters: int


@dataclass(frozen=True)
class FinishedRun(Record):
    """A run that was trained and measured.

    Attributes:
        model: Name of the model.
        seed: Seed of the training.
        imgsz: Pixels of the longer side of an image.
        batch: Images in a batch; Ultralytics lowers it by itself where GPU memory does not suffice.
        parameters: Parameters of the network before fusing.
        gflops: 10^9 operations for one image.
        latency_ms: Milliseconds of a forward pass of the fused network.
        scores: {score: percent} over all classes.
        per_class: {score: {class: percent}}.
        curve: {"epoch": epochs, score: percent at each}, validated during training.
        resumed_after: The epochs after which the training was cut and resumed.
        environment: Where it was measured.
        carried: Weights that came from a checkpoint; None without one.
    """

    model: str
    seed: int
    imgsz: int
    batch: int
    parameters: int
    gflops: float
    latency_ms: float
    scores: Mapping[str, Score]
    per_class: Mapping[str, Mapping[str, Score]]
    curve: Mapping[str, list[float]]
    resumed_after: list[int]
    environment: Environment
    carried: CarriedWeights | None = None
    status: str = field(default="finished", init=False)

    @classmethod
    def from_json(cls, text: str) -> "FinishedRun":
        """Read what `to_json` wrote; ValueError for anything else."""
        run = run_from_json(text)
        if not isinstance(run, cls):
            raise ValueError("is the record of a failed run")
        return run


@dataclass(frozen=True)
class FailedRun(Record):
    """A run that ended with an error.

    Attributes:
        model: Name of the model.
        seed: Seed of the training.
        error: One line.
        log: Path of what the run printed.
    """

    model: str
    seed: int
    error: str
    log: str
    status: str = field(default="failed", init=False)


def run_from_json(text: str) -> FinishedRun | FailedRun:
    """One line of JSON -> the run that it records.

    Raises:
        ValueError: The text is no JSON, or lacks something that a record has.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("is no JSON object")
    if values.get("status", "finished") == "failed":
        return _build(FailedRun, values)
    parts: dict[str, type] = {"environment": Environment, "carried": CarriedWeights}
    nested: dict[str, Any] = {name: _build(parts[name], values[name]) for name in parts if values.get(name) is not None}
    return _build(FinishedRun, values | nested)


@dataclass(frozen=True)
class Outcome:
    """What became of an experiment.

    Attributes:
        models: Names in the order of the tables; the first is the baseline.
        runs: The finished runs that were asked for.
        failed: The runs that failed this time.
        table: The tables of `table.md`.
    """

    models: tuple[str, ...]
    runs: tuple[FinishedRun, ...]
    failed: tuple[FailedRun, ...]
    table: str = ""


def _build(cls: type[T], values: object) -> T:
    """Make a record of a JSON object; entries that it does not know are left out."""
    if not isinstance(values, dict):
        raise ValueError("is no JSON object")
    known = [entry for entry in fields(cls) if entry.init]  # type: ignore[arg-type]
    missing = [entry.name for entry in known if entry.default is MISSING and entry.name not in values]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}")
    return cls(**{entry.name: values[entry.name] for entry in known if entry.name in values})
