"""The same pretrained weights for every model of an experiment.

Ultralytics matches weights by the number of a row, so a baseline and its variant with one more row would not get the same. Here
every model of an experiment gets them by `transfer`, which matches rows by what they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ultralytics import YOLO
from ultralytics.utils.torch_utils import init_seeds

from yolo_attn.experiment.checkpoints import PRETRAINED
from yolo_attn.experiment.records import CarriedWeights, Task
from yolo_attn.plugin.weights import transfer
from yolo_attn.storage import atomic_write

CARRIED = "carried.json"  # in the folder of a run


def prepare(folder: Path, task: Task, data: Mapping[str, Any]) -> Path:
    """Build the model of a task for its data set, carry the weights of `pretrained=` into it, and save it.

    What has no counterpart starts from random weights that follow from the seed. Returns the checkpoint from which the training
    starts; ValueError if that of `pretrained=` is not of a model built from a YAML.
    """
    checkpoint = task.training["pretrained"]
    init_seeds(task.seed)
    built = YOLO(task.model, task="detect").model
    network = type(built)(built.yaml, ch=data.get("channels", 3), nc=data["nc"], verbose=False)
    carried = transfer(checkpoint, network)
    torch.save({"model": network, "train_args": {}}, folder / PRETRAINED)
    record = CarriedWeights(Path(checkpoint).name, carried.parameters, carried.carried_parameters)
    atomic_write(folder / CARRIED, record.to_json())
    return folder / PRETRAINED


def carried_weights(folder: Path) -> CarriedWeights | None:
    """Read what `prepare` carried for the run in a folder; None where the training did not start from a checkpoint."""
    file = folder / CARRIED
    return CarriedWeights.from_json(file.read_text(encoding="utf-8")) if file.is_file() else None
