"""The only part that reaches into Ultralytics, on import. Nothing there is edited or copied: functions are wrapped, names added.

parser.py          builds a model YAML with plug-in rows: `parse_model`
row_preparation.py checks a plug-in row and writes it as Ultralytics' parser can build it
inner_layers.py    rows with layers inside their block, `C3+EMA(8)`
inside_blocks.py   puts those layers inside the block that the parser has built
source_widths.py   how a row gets the width of its source
arguments.py       checks a row's arguments against the constructor's signature
offered_layers.py  layers of users' files and of installed packages: `find_layer`
registration.py    names that model YAMLs may use: `register`
files.py           finds cfg/ and data/ by bare name: `find`
weights.py         pretrained weights across inserted rows: `transfer`
anchor_head.py     the loss and the anchors of models that end in `AnchorDetect`
yolov5_checkpoint.py checkpoints of YOLOv5 itself as models of yolov5-v6.yaml
yolov5_pickle.py   tensors out of a checkpoint whose classes are not installed
export_format.py   tells layers the format of an export, and refuses those that are wrong in it
lr_schedule.py     learning rate schedules that a model YAML names
alignment.py       which row of one model plays the role of which row of another
renumbering.py     a source of weights with the row numbers of its target
ignored_regions.py training images are gray inside ignored regions: `ignored: fill` in a data YAML
metrics.py         Ultralytics' average precision for boxes that come from anywhere
"""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from ultralytics import utils
from ultralytics.nn import tasks
from ultralytics.utils import callbacks, checks

from yolo_attn import networks
from yolo_attn.layers import LAYERS
from yolo_attn.plugin import (
    anchor_head,
    export_format,
    files,
    ignored_regions,
    lr_schedule,
    offered_layers,
    parser,
    weights,
)
from yolo_attn.plugin.files import find
from yolo_attn.plugin.parser import parse_model
from yolo_attn.plugin.registration import add_to_parser, register

__all__ = ["find", "install", "parse_model", "register"]


def install() -> None:
    """Teach the imported Ultralytics the layers of `LAYERS`, the files of cfg/ and data/, and ignored regions.

    Doing it twice is harmless, and doing it again after `importlib.reload(ultralytics.nn.tasks)` is needed.
    """
    for name, layer in LAYERS.items():
        if getattr(tasks, name, layer) is layer:
            add_to_parser(name, layer)
        else:
            utils.LOGGER.warning(f"yolo_attn: {name} in a model YAML is Ultralytics' own; yolo_attn.layers has another")
    # The networks are imported when a model names one, but a reader that admits only known classes needs them now.
    if getattr(utils, "SAFE_LOAD", False):
        torch.serialization.add_safe_globals([*networks.classes()])
    # Where a function is defined, its name, what takes the original and returns its replacement.
    wrappers: list[tuple[Any, str, Callable]] = [
        (tasks, "parse_model", parser.with_attention_rows),
        (tasks, "yaml_model_load", files.with_existing_file_first),
        (checks, "check_file", files.with_shipped_files),
        (tasks, "torch_safe_load", offered_layers.with_layer_files),
        (tasks.BaseModel, "load", weights.with_aligned_rows),
        (tasks.DetectionModel, "init_criterion", anchor_head.with_anchor_loss),
    ]
    dataset = getattr(sys.modules.get("ultralytics.data.dataset"), "YOLODataset", None)
    if dataset:  # otherwise the import hook comes back when that module is imported
        wrappers.append((dataset, "get_labels", ignored_regions.with_ignored_regions))
    for owner, name, wrapper in wrappers:
        original = getattr(owner, name)
        if not hasattr(original, "yolo_attn"):
            replacement = wraps(original)(wrapper(original))
            setattr(replacement, "yolo_attn", True)  # noqa: B010  (a type checker knows no such attribute)
            setattr(owner, name, replacement)
            _replace_imported(original, replacement)
    added_callbacks = (  # nothing happens in the training or export of a model that needs none of these
        ("on_pretrain_routine_end", anchor_head.prepare_training),
        ("on_pretrain_routine_end", offered_layers.copy_layer_files),
        ("on_train_epoch_start", lr_schedule.follow),
        ("on_export_start", export_format.prepare),
    )
    for event, callback in added_callbacks:
        if callback not in callbacks.default_callbacks[event]:
            callbacks.default_callbacks[event].append(callback)


def _replace_imported(original: Callable, replacement: Callable) -> None:
    """Put the replacement wherever Ultralytics has imported the original by name already."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("ultralytics") and getattr(module, "__dict__", {}).get(original.__name__) is original:
            setattr(module, original.__name__, replacement)


install()
