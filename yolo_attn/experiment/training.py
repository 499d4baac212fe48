"""A run: train one model with one seed, then measure it. Called again after a kill, it resumes."""

import csv
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import ultralytics
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset
from ultralytics.utils.torch_utils import select_device

import yolo_attn
from yolo_attn.experiment import checkpoints, pretrained
from yolo_attn.experiment.complexity import complexity, milliseconds
from yolo_attn.experiment.environment import commit, processor
from yolo_attn.experiment.launch import RECORD, TASK
from yolo_attn.experiment.records import Environment, FinishedRun, LastEpoch, Task
from yolo_attn.experiment.scores import score
from yolo_attn.plugin.threads import use_threads
from yolo_attn.storage import atomic_write

RESUMED = "resumed.txt"
CURVE = {"mAP50": "metrics/mAP50(B)", "mAP50-95": "metrics/mAP50-95(B)"}  # columns of results.csv, fractions


def finish(folder: Path) -> None:
    """Do what is left of the run whose task.json is in `folder`, and end with its record.json."""
    task = Task.from_json((folder / TASK).read_text(encoding="utf-8"))
    if task.threads:
        use_threads(task.threads)
    data = check_det_dataset(task.data)
    if (folder / checkpoints.TRAINED).exists():
        checkpoints.restore_best(folder)  # the end of training rewrites it in place, and may have been cut
    else:
        train(folder, task, data)
        atomic_write(folder / checkpoints.TRAINED, b"")
    checkpoints.discard(folder)
    atomic_write(folder / RECORD, measure(folder, task, data).to_json(), durable=True)


def train(folder: Path, task: Task, data: Mapping[str, Any]) -> None:
    """Train from the start, or from the last whole checkpoint."""
    state, epochs = checkpoints.resumable(folder)
    if epochs >= task.epochs:
        return
    arguments: dict[str, Any] = {"data": task.data}
    if state:
        with (folder / RESUMED).open("a", encoding="utf-8") as lines:
            lines.write(f"{epochs}\n")
        model = YOLO(str(state))
        arguments |= {"resume": True, "save_dir": str(folder)}
    else:
        for name in (RESUMED, pretrained.CARRIED):  # files of an attempt that left no checkpoint
            (folder / name).unlink(missing_ok=True)
        arguments |= {**task.training, "epochs": task.epochs, "seed": task.seed}
        arguments |= {"project": str(folder.parent), "name": folder.name, "exist_ok": True}
        if isinstance(task.training.get("pretrained"), str):
            arguments["pretrained"] = str(pretrained.prepare(folder, task, data))
        model = YOLO(task.model, task="detect")
    model.add_callback("on_model_save", checkpoints.copy_saved)
    model.train(**arguments)


def measure(folder: Path, task: Task, data: Mapping[str, Any]) -> FinishedRun:
    """Measure a trained run."""
    weights = next(path for name in ("best.pt", "last.pt") if (path := folder / "weights" / name).exists())
    trained = YOLO(str(weights))
    used, network = trained.ckpt["train_args"], trained.model.float()
    imgsz, channels, requested_device = used["imgsz"], data.get("channels", 3), task.training.get("device")
    device = select_device(requested_device, verbose=False)
    batch = min(used["batch"], 16)
    last = score(folder / "weights" / "last.pt", data, folder, imgsz, batch, requested_device, "detections-last")
    scores = score(weights, data, folder, imgsz, batch, requested_device)
    size = complexity(network, imgsz, channels)
    return FinishedRun(
        model=task.name,
        seed=task.seed,
        imgsz=imgsz,
        batch=used["batch"],
        parameters=size.parameters,
        gflops=size.gflops,
        latency_ms=milliseconds(network.to(device).fuse(verbose=False), imgsz, channels),
        scores=scores.overall,
        per_class=scores.per_class,
        curve=curve(folder / "results.csv"),
        resumed_after=[int(line) for line in _lines(folder / RESUMED)],
        environment=_environment(device),
        carried=pretrained.carried_weights(folder),
        last=LastEpoch(last.overall, last.per_class),
    )


def curve(results: Path) -> dict[str, list[float]]:
    """results.csv -> the epochs and both mAP in percent, validated during training; the last row of an epoch counts."""
    # Some versions of Ultralytics pad the columns.
    rows = csv.DictReader([line.replace(" ", "") for line in _lines(results)])
    by_epoch = {int(row["epoch"]): row for row in rows}
    scores = {name: [100 * float(row[column]) for row in by_epoch.values()] for name, column in CURVE.items()}
    return {"epoch": [*by_epoch], **scores}


def _environment(device: torch.device) -> Environment:
    return Environment(
        yolo_attn=yolo_attn.__version__,
        commit=commit(),
        ultralytics=ultralytics.__version__,
        torch=torch.__version__,
        python=platform.python_version(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else f"{processor()}, CPU",
        threads=torch.get_num_threads(),
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
