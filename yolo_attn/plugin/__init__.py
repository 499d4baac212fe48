"""The only part that reaches into Ultralytics, on import. Nothing there is edited or copied: functions are wrapped, names added.

parser.py       attention layers and networks as rows of a model YAML
files.py        cfg/ and data/ found by bare name
weights.py      pretrained weights across inserted rows
alignment.py    which row of one model plays the role of which row of another
renumbering.py  a source of weights with the row numbers of its target
"""

import sys
from collections.abc import Callable
from functools import wraps

import torch
from torch import nn
from ultralytics import utils
from ultralytics.nn import tasks
from ultralytics.utils import checks

from yolo_attn.layers import LAYERS
from yolo_attn.networks import registry as networks
from yolo_attn.plugin import files, parser, weights


def install() -> None:
    """Teach the imported Ultralytics the layers of `LAYERS` and the files of cfg/ and data/.

    Doing it twice is harmless, and doing it again after `importlib.reload(ultralytics.nn.tasks)` is needed.
    """
    for name, layer in LAYERS.items():
        _name(name, layer)
    # The networks are imported when a model names one, but a reader that admits only known classes needs them now.
    if getattr(utils, "SAFE_LOAD", False):
        torch.serialization.add_safe_globals(networks.classes())
    wrappers = (  # where a function is defined, its name, what takes the original and returns its replacement
        (tasks, "parse_model", parser.with_our_rows),
        (tasks, "yaml_model_load", files.with_existing_file_first),
        (checks, "check_file", files.with_shipped_files),
        (tasks.BaseModel, "load", weights.with_aligned_rows),
    )
    for owner, name, wrapper in wrappers:
        original = getattr(owner, name)
        if not hasattr(original, "yolo_attn"):
            replacement = wraps(original)(wrapper(original))
            replacement.yolo_attn = True
            setattr(owner, name, replacement)
            _replace_imported(original, replacement)


def register(layer: type[nn.Module]) -> type[nn.Module]:
    """Make a layer of your own usable in model YAMLs under its class name; also a class decorator.

    Args:
        layer: A module whose constructor takes the channels of its source first and the YAML row's arguments after them, and whose
            output has as many channels. With a class attribute `multi_source = True` it is given a list of channels,
            and `forward` a list of maps; its output has the channels of the first.

    Raises:
        ValueError: Ultralytics already has something else of that name.
    """
    _name(layer.__name__, layer)
    LAYERS[layer.__name__] = layer
    return layer


def _name(name: str, layer: type[nn.Module]) -> None:
    taken = getattr(tasks, name, layer)
    if taken is not layer and taken is not LAYERS.get(name):
        raise ValueError(f"{name}: Ultralytics already has {taken!r} under this name; choose another")
    setattr(tasks, name, layer)
    torch.serialization.add_safe_globals([layer])  # for ULTRALYTICS_SAFE_LOAD=1


def _replace_imported(original: Callable, replacement: Callable) -> None:
    """Put the replacement wherever Ultralytics has imported the original by name already."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("ultralytics") and getattr(module, "__dict__", {}).get(original.__name__) is original:
            setattr(module, original.__name__, replacement)


install()
