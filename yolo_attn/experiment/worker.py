"""One run of a benchmark: train one model with one seed, then measure it.

`experiment` starts it as `python -m yolo_attn.experiment.worker FOLDER`. It reads FOLDER/task.json and ends with FOLDER/record.json.
Started again after a kill, it goes on where it was cut.
"""

import csv
import json
import os
import platform
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path

TASK, RECORD, RESUMED = "task.json", "record.json", "resumed.txt"
CURVE = {"mAP50": "metrics/mAP50(B)", "mAP50-95": "metrics/mAP50-95(B)"}  # columns of results.csv, fractions


def main(folder: Path) -> None:
    """Do what is left of the run in `folder`."""
    from ultralytics.data.utils import check_det_dataset

    from yolo_attn.experiment import checkpoints
    from yolo_attn.storage import atomic_write

    task = json.loads((folder / TASK).read_text(encoding="utf-8"))
    if not (folder / checkpoints.TRAINED).exists():
        train(folder, task)
        atomic_write(folder / checkpoints.TRAINED, b"")
    else:
        checkpoints.restore_best(folder)  # the end of training rewrites it in place, and may have been cut
    checkpoints.discard(folder)
    record = measure(folder, task, check_det_dataset(task["data"]))
    atomic_write(folder / RECORD, json.dumps(record, allow_nan=False).encode())


def train(folder: Path, task: dict) -> None:
    """Train from the start, or from the last whole checkpoint."""
    from ultralytics import YOLO

    from yolo_attn.experiment import checkpoints

    state, epochs = checkpoints.resumable(folder)
    if epochs >= task["epochs"]:
        return
    if state:
        with (folder / RESUMED).open("a", encoding="utf-8") as note:
            note.write(f"{epochs}\n")
        model, arguments = YOLO(str(state)), {"resume": True, "data": task["data"], "save_dir": str(folder)}
    else:
        (folder / RESUMED).unlink(missing_ok=True)
        place = {"project": str(folder.parent), "name": folder.name, "exist_ok": True}
        own = {key: task[key] for key in ("data", "epochs", "seed")}
        model, arguments = YOLO(task["model"], task="detect"), {**task["training"], **own, **place}
    model.add_callback("on_model_save", checkpoints.keep)
    model.train(**arguments)


def measure(folder: Path, task: dict, data: dict) -> dict:
    """The numbers of a trained run, in plain types."""
    import torch
    import ultralytics
    from ultralytics import YOLO
    from ultralytics.utils.torch_utils import select_device

    from yolo_attn.experiment.complexity import complexity, milliseconds
    from yolo_attn.experiment.environment import commit, processor
    from yolo_attn.experiment.scores import score

    weights = next(path for name in ("best.pt", "last.pt") if (path := folder / "weights" / name).exists())
    trained = YOLO(str(weights))
    used, network = trained.ckpt["train_args"], trained.model.float()
    imgsz, channels, asked = used["imgsz"], data.get("channels", 3), task["training"].get("device")
    device = select_device(asked, verbose=False)
    scores = score(weights, data, task["data"], folder, imgsz, min(used["batch"], 16), asked)
    size = complexity(network, imgsz, channels)
    latency = milliseconds(network.to(device).fuse(verbose=False), imgsz, channels)
    return {
        "imgsz": imgsz,
        "batch": used["batch"],  # Ultralytics lowers it by itself where GPU memory does not suffice
        "parameters": size.parameters,
        "gflops": size.gflops,
        "latency_ms": latency,
        "scores": scores.overall,
        "per_class": scores.per_class,
        "curve": curve(folder / "results.csv"),
        "resumed_after": [int(line) for line in _lines(folder / RESUMED)],
        "environment": {
            "yolo_attn": import_module("yolo_attn").__version__,
            "commit": commit(),
            "ultralytics": ultralytics.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{processor()}, CPU",
            "threads": torch.get_num_threads(),
        },
    }


def curve(results: Path) -> dict[str, list]:
    """results.csv -> the epochs and both mAP in percent, validated during training; the last row of an epoch counts."""
    rows = [{key.strip(): value.strip() for key, value in row.items()} for row in csv.DictReader(_lines(results))]
    rows = {int(row["epoch"]): row for row in rows}
    return {"epoch": [*rows]} | {name: [100 * float(row[key]) for row in rows.values()] for name, key in CURVE.items()}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _end_with_parent() -> None:
    """End this process and those it started when the other end of standard input closes: its parent was killed."""

    def watch():
        while os.read(0, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    main(Path(sys.argv[1]))
