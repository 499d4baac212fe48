"""The process of a run: train one model with one seed, then measure it.

`launch.work` starts it as `python -m yolo_attn.experiment.worker FOLDER`. It reads FOLDER/task.json and ends with FOLDER/record.json.
Started again after a kill, it goes on where it was cut.
"""

import csv
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from yolo_attn.experiment.launch import RECORD, TASK
from yolo_attn.experiment.lifetime import end_with_parent
from yolo_attn.experiment.records import Environment, FinishedRun, Task
from yolo_attn.storage import atomic_write, folder_lock

RESUMED = "resumed.txt"
CURVE = {"mAP50": "metrics/mAP50(B)", "mAP50-95": "metrics/mAP50-95(B)"}  # columns of results.csv, fractions
PATIENCE = 60.0  # seconds for the worker of a killed benchmark to end


def start(folder: Path, work: Callable[[Path], None] | None = None) -> None:
    """Be the process of a run: end with the parent, and hold the folder of all runs, for which a benchmark started anew waits.

    Args:
        folder: The folder of the run.
        work: What to do there; None is `finish`.
    """
    end_with_parent()
    with folder_lock(folder.parent, f"{folder.parent}: another run is at work here", PATIENCE):
        (work or finish)(folder)


def finish(folder: Path) -> None:
    """Do what is left of the run in `folder`."""
    from ultralytics.data.utils import check_det_dataset

    from yolo_attn.experiment import checkpoints

    task = Task.from_json((folder / TASK).read_text(encoding="utf-8"))
    data = check_det_dataset(task.data)
    if not (folder / checkpoints.TRAINED).exists():
        train(folder, task, data)
        atomic_write(folder / checkpoints.TRAINED, b"")
    else:
        checkpoints.restore_best(folder)  # the end of training rewrites it in place, and may have been cut
    checkpoints.discard(folder)
    atomic_write(folder / RECORD, measure(folder, task, data).to_json(), durable=True)


def train(folder: Path, task: Task, data: Mapping[str, Any]) -> None:
    """Train from the start, or from the last whole checkpoint."""
    from ultralytics import YOLO

    from yolo_attn.experiment import checkpoints, pretrained

    state, epochs = checkpoints.resumable(folder)
    if epochs >= task.epochs:
        return
    arguments: dict[str, Any]
    if state:
        with (folder / RESUMED).open("a", encoding="utf-8") as lines:
            lines.write(f"{epochs}\n")
        model, arguments = YOLO(str(state)), {"resume": True, "data": task.data, "save_dir": str(folder)}
    else:
        for note in (RESUMED, pretrained.NOTE):  # of an attempt that left no checkpoint
            (folder / note).unlink(missing_ok=True)
        arguments = {**task.training, "data": task.data, "epochs": task.epochs, "seed": task.seed}
        arguments |= {"project": str(folder.parent), "name": folder.name, "exist_ok": True}
        if isinstance(task.training.get("pretrained"), str):
            arguments["pretrained"] = str(pretrained.prepare(folder, task, data))
        model = YOLO(task.model, task="detect")
    model.add_callback("on_model_save", checkpoints.copy_saved)
    model.train(**arguments)


def measure(folder: Path, task: Task, data: Mapping[str, Any]) -> FinishedRun:
    """The numbers of a trained run."""
    from ultralytics import YOLO
    from ultralytics.utils.torch_utils import select_device

    from yolo_attn.experiment.complexity import complexity, milliseconds
    from yolo_attn.experiment.pretrained import carried
    from yolo_attn.experiment.scores import score

    weights = next(path for name in ("best.pt", "last.pt") if (path := folder / "weights" / name).exists())
    trained = YOLO(str(weights))
    used, network = trained.ckpt["train_args"], trained.model.float()
    imgsz, channels, asked = used["imgsz"], data.get("channels", 3), task.training.get("device")
    device = select_device(asked, verbose=False)
    scores = score(weights, data, task.data, folder, imgsz, min(used["batch"], 16), asked)
    size = complexity(network, imgsz, channels)
    latency = milliseconds(network.to(device).fuse(verbose=False), imgsz, channels)
    return FinishedRun(
        model=task.name,
        seed=task.seed,
        imgsz=imgsz,
        batch=used["batch"],
        parameters=size.parameters,
        gflops=size.gflops,
        latency_ms=latency,
        scores=scores.overall,
        per_class=scores.per_class,
        curve=curve(folder / "results.csv"),
        resumed_after=[int(line) for line in _lines(folder / RESUMED)],
        environment=_environment(device),
        carried=carried(folder),
    )


def curve(results: Path) -> dict[str, list[float]]:
    """results.csv -> the epochs and both mAP in percent, validated during training; the last row of an epoch counts."""
    rows = [{key.strip(): value.strip() for key, value in row.items()} for row in csv.DictReader(_lines(results))]
    by_epoch = {int(row["epoch"]): row for row in rows}
    scores = {name: [100 * float(row[column]) for row in by_epoch.values()] for name, column in CURVE.items()}
    return {"epoch": [*by_epoch], **scores}


def _environment(device: Any) -> Environment:
    import torch
    import ultralytics

    import yolo_attn
    from yolo_attn.experiment.environment import commit, processor

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


if __name__ == "__main__":
    start(Path(sys.argv[1]))
