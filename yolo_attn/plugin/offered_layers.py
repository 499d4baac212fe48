"""Layers that others offer: files named by a model YAML or by YOLO_ATTN_LAYERS, and installed packages.

A package offers a layer by an entry point of the group `yolo_attn.layers`, whose name is that of the class. Neither files nor packages
are imported before a model YAML names a module that nobody else knows.
"""

import inspect
import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn
from ultralytics import utils
from ultralytics.nn import tasks
from ultralytics.utils import LOGGER

from yolo_attn import layer_files
from yolo_attn.layers import LAYERS
from yolo_attn.plugin.registration import register

GROUP = "yolo_attn.layers"


def find_layer(name: str) -> type[nn.Module] | None:
    """Return the layer of this name: one of LAYERS, of a file of YOLO_ATTN_LAYERS, or of an installed package; None if there is none.

    What is found outside LAYERS is registered.

    Raises:
        ValueError: A file or a package cannot be imported, or what it offers cannot be a layer.
        FileNotFoundError: YOLO_ATTN_LAYERS names a file that does not exist.
    """
    if name in LAYERS or hasattr(tasks, name) or not name.isidentifier():
        return LAYERS.get(name)
    for file in layer_files.files_of_environment():
        if layer := _layer_classes(layer_files.load(file)).get(name):
            return register(layer)
    for entry in entry_points(group=GROUP, name=name):
        origin = f"{entry.dist.name if entry.dist else 'a package'} offers {name} as {entry.value}"
        try:
            layer = entry.load()
        except Exception as error:
            raise ValueError(f"{origin}, which cannot be imported ({type(error).__name__}: {error})") from error
        if getattr(layer, "__name__", None) != name:
            raise ValueError(f"{origin}; the entry point is to have the name of the class")
        return register(layer)
    return None


def register_named_files(model: dict) -> None:
    """Register the layers of the files that a model YAML names with `layers:`, those that its rows name.

    Paths are relative to the YAML. The files are executed, so that whoever trains a YAML trusts the files that it names.

    Raises:
        ValueError: Ultralytics is to read known classes only, or a file cannot be imported or has no layer.
        FileNotFoundError: There is no such file.
    """
    files = named_files(model)
    if files and getattr(utils, "SAFE_LOAD", False):
        raise ValueError(
            f"layers: {files[0].name} would be executed, which ULTRALYTICS_SAFE_LOAD=1 forbids; unset it if you trust the file"
        )
    words = set(re.findall(r"\w+", str([row[2:] for row in [*model["backbone"], *model["head"]]])))
    for file in files:
        layers = _layer_classes(layer_files.load(file))
        if not layers:
            raise ValueError(f"{file}: defines no layer; a layer is a class derived from torch.nn.Module")
        for name in sorted(words & layers.keys()):
            if hasattr(tasks, name) and name not in LAYERS:
                LOGGER.warning(f"{file}: {name} in a model YAML is Ultralytics' own; rename the class to use it there")
            else:
                register(layers[name])


def named_files(model: dict) -> list[Path]:
    """Return the Python files of a model YAML's key `layers`."""
    entry = model.get("layers")
    files = [entry] if isinstance(entry, str) else entry if isinstance(entry, list) else []
    folder = Path(model.get("yaml_file") or "").parent
    return [folder / file for file in files if isinstance(file, str) and file.endswith(".py")]


def _layer_classes(module: ModuleType) -> dict[str, type[nn.Module]]:
    """Return the classes of layers that a module defines itself."""
    classes = inspect.getmembers(module, inspect.isclass)
    return {name: c for name, c in classes if issubclass(c, nn.Module) and c.__module__ == module.__name__}


def with_layer_files(original: Callable) -> Callable:
    """Wrap `ultralytics.nn.tasks.torch_safe_load`: files of layers are looked for beside the checkpoint."""

    def torch_safe_load(weight: str | Path, *args: Any, **kwargs: Any) -> Any:
        token = layer_files.checkpoint_folder.set(Path(weight).absolute().parent)
        try:
            return original(weight, *args, **kwargs)
        finally:
            layer_files.checkpoint_folder.reset(token)

    return torch_safe_load


def copy_layer_files(trainer: Any) -> None:
    """Put the files of layers that a model uses into the folder of its run, so that its checkpoints can be opened from there.

    A callback of Ultralytics' trainer for `on_pretrain_routine_end`.
    """
    model = trainer.model
    used = (
        {type(m).__module__ for m in model.modules()} if isinstance(model, nn.Module) and utils.RANK in (-1, 0) else ()
    )
    for module in sorted(name for name in used if name.startswith(f"{layer_files.__name__}.")):
        (Path(trainer.save_dir) / f"{module.rpartition('.')[2]}.py").write_bytes(layer_files.source(module))
