"""Tensors out of a checkpoint whose classes are not installed, without running any code that the file names.

A pickle names the classes and functions that build its objects. `read_pickle` knows those that rebuild tensors; everything else becomes a
`Placeholder`, which keeps what the file says about an object and does nothing.
"""

import pickle
import warnings
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch._utils import _rebuild_parameter, _rebuild_tensor_v2
from torch.serialization import SourceChangeWarning

# All that a checkpoint may call. `torch.load` reads storages itself.
ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


class Placeholder(dict):
    """Stands for an object of any class, or a function; its attributes are those that the file gives it."""

    dump_patches = False  # asked of a module's class in files older than PyTorch 1.6

    def __new__(cls, *_: Any, **__: Any) -> "Placeholder":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any):
        super().__init__()

    def __call__(self, *_: Any, **__: Any) -> "Placeholder":
        return Placeholder()

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            vars(self).update(state)

    def append(self, _: Any) -> None:
        """Take an element of what was a list, and drop it."""

    def extend(self, _: Any) -> None:
        """Take elements of what was a list, and drop them."""

    def add(self, _: Any) -> None:
        """Take an element of what was a set, and drop it."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name.endswith("Storage"):  # `torch.load` needs the type of numbers; a plain class
            return getattr(torch, name, Placeholder)
        return ALLOWED.get((module, name), Placeholder)


def _load(file: BinaryIO, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


def read_pickle(path: Path) -> Any:
    """Return what a file of `torch.save` holds: numbers, texts, containers and tensors as they are, all else as placeholders.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is none of `torch.save`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such checkpoint")
    reader = SimpleNamespace(__name__="yolov5_pickle", Unpickler=_Unpickler, load=_load)
    try:
        with warnings.catch_warnings():  # files older than PyTorch 1.6 carry source code, which is not a placeholder's
            warnings.simplefilter("ignore", SourceChangeWarning)
            return torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    except OSError:
        raise
    except Exception as error:  # damaged bytes can fail in any way
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: cannot be read as a PyTorch checkpoint ({reason})") from error


def state_dict(module: Placeholder, prefix: str = "") -> dict[str, torch.Tensor]:
    """Return parameters and buffers of what was a `torch.nn.Module`, under their names, as its own `state_dict` does."""
    attributes = vars(module)
    tensors = {**attributes.get("_parameters", {}), **attributes.get("_buffers", {})}
    found = {prefix + name: value.detach() for name, value in tensors.items() if isinstance(value, torch.Tensor)}
    for name, child in attributes.get("_modules", {}).items():
        if isinstance(child, Placeholder):
            found |= state_dict(child, f"{prefix}{name}.")
    return found
