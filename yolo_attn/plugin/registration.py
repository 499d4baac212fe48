"""Names under which model YAMLs find layers: globals of Ultralytics' parser, shared with everything else that has a name there."""

import builtins
import inspect

import torch
import yaml
from torch import nn
from ultralytics.nn import tasks

from yolo_attn.layers import LAYERS
from yolo_attn.networks import ROW_NAMES
from yolo_attn.plugin.arguments import hyperparameters


def register(layer: type[nn.Module]) -> type[nn.Module]:
    """Make a layer of your own usable in model YAMLs under its class name; also a class decorator.

    Args:
        layer: A module whose constructor takes the channels of its source first and the YAML row's arguments after them, and whose
            output has as many channels. With a class attribute `multi_source = True` it is given a list of channels,
            and `forward` a list of feature maps; its output has the channels of the first. A class that is defined again, as
            in a notebook's cell, replaces its former self.

    Raises:
        ValueError: It is no class of modules, its name has a meaning already, or a row cannot give what its constructor needs.
    """
    if not (inspect.isclass(layer) and issubclass(layer, nn.Module)):
        raise ValueError(f"register takes a class derived from torch.nn.Module; found {layer!r}")
    name = layer.__name__
    if not name.isidentifier():
        raise ValueError(f"{name}: this is no name of a class; choose another name for the class")
    if yaml.safe_load(name) != name:
        raise ValueError(f"{name}: YAML reads this name as {yaml.safe_load(name)}; choose another name for the class")
    if owner := _owner(name, layer):
        raise ValueError(f"{name}: this is the name of {owner}; choose another name for the class")
    hyperparameters(layer)
    LAYERS[name] = layer
    add_to_parser(name, layer)
    return layer


def add_to_parser(name: str, layer: type[nn.Module]) -> None:
    """Let Ultralytics find a layer by its name, in model YAMLs and in checkpoints read under ULTRALYTICS_SAFE_LOAD=1."""
    setattr(tasks, name, layer)
    torch.serialization.add_safe_globals([layer])


def _owner(name: str, layer: type[nn.Module]) -> str | None:
    """Say what a name means already; None if it is free or the layer's own."""
    if name in LAYERS:
        return None if _path(LAYERS[name]) == _path(layer) else f"{_path(LAYERS[name])} in yolo_attn"
    if name in ROW_NAMES:
        return "a row of networks in yolo_attn"
    if hasattr(builtins, name):
        return "a builtin of Python"
    if hasattr(tasks, name):
        return f"{_path(getattr(tasks, name))} in Ultralytics"
    code = inspect.unwrap(tasks.parse_model).__code__
    if name in code.co_varnames + code.co_cellvars:
        return "a variable of Ultralytics' parser"
    return None


def _path(thing: object) -> str:
    if inspect.ismodule(thing):
        return thing.__name__
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', repr(thing))}".removeprefix(".")
