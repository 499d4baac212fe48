"""Made-up records of runs."""

from pathlib import Path
from typing import Any

from yolo_attn.experiment.records import Environment, FinishedRun

WITH_EMA = Path(__file__).parents[2] / "cfg" / "yolov5-ema.yaml"
TRAINING = {"imgsz": 64, "batch": 4, "workers": 0, "plots": False, "device": "cpu", "mosaic": 0, "amp": False}


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


# Stands for the training of a run: what becomes of it follows from the model's name; each call is noted.
WORKER = f"""
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
with (folder / "calls").open("a") as calls:
    calls.write("call\\n")
print("started")
if "fails" in task["name"]:
    raise RuntimeError("no such luck")
if "killed" in task["name"]:
    os.kill(os.getpid(), signal.SIGKILL)
if "once" in task["name"] and len((folder / "calls").read_text().split()) == 1:
    sys.exit("the first time fails")
if "sleeps" in task["name"]:
    from yolo_attn.experiment import worker
    worker.start(folder, lambda folder: time.sleep(600))
if "meets" in task["name"]:
    end = time.monotonic() + 60
    while len(list(folder.parent.glob(f"meets-?-seed{{task['seed']}}/calls"))) < 2:
        if time.monotonic() > end:
            sys.exit("no other run has begun")
        time.sleep(0.05)
if "saves" in task["name"]:
    (folder / "state.pt").write_bytes(b"")
    sys.exit("behind its first epoch")
record = json.loads({finished_run("a", 0).to_json()!r})
record |= {{"model": task["name"], "seed": task["seed"], "scores": {{"AP": task["seed"] + 1.0, "AP50": None}}}}
(folder / "results.csv").write_text("epoch, time\\n" + "".join(f"{{n + 1}}, {{40 * (n + 1)}}\\n" for n in range(task["epochs"])))
(folder / "record.json").write_text(json.dumps(record))
"""
