"""Made-up records of runs."""

from typing import Any

from yolo_attn.experiment.records import Environment, FinishedRun


def environment(commit: str = "abc") -> Environment:
    return Environment(yolo_attn="0", commit=commit, ultralytics="8", torch="2", python="3", device="a CPU", threads=1)


def finished_run(model: str, seed: int, value: float = 10.0, official: bool = True, **changes: Any) -> FinishedRun:
    """A run whose scores follow from one number, with changes by name."""
    scores = {"mAP50": 2 * value, "mAP50-95": value / 2, **({"AP": value, "AP50": 3 * value} if official else {})}
    classes = {"car": value, "bus": value + 1, "van": None}
    given = {
        "imgsz": 64,
        "batch": 4,
        "parameters": 2_000_000,
        "gflops": 7.25,
        "latency_ms": 5.0 + seed,
        "scores": scores,
        "per_class": {"mAP50-95": classes, **({"AP": classes} if official else {})},
        "curve": {"epoch": [1, 2], "mAP50": [value, 2 * value], "mAP50-95": [value / 4, value / 2]},
        "resumed_after": [],
        "environment": environment("" if seed else "abc"),
    }
    return FinishedRun(model=model, seed=seed, **{**given, **changes})
