"""Attention layers for Ultralytics YOLO. Importing the package is enough: model YAMLs may then name the layers."""

try:
    import _yolo_attn_autoload as _autoload  # pip puts this module beside the package, for the start of the interpreter
except ImportError:
    from yolo_attn import _autoload  # a checkout that is not installed

__version__ = "0.1.0"
__all__ = ["LAYERS", "register", "transfer"]

_HOMES = {  # public name: the module it is loaded from
    "LAYERS": "yolo_attn.layers",
    "register": "yolo_attn.plugin",
    "transfer": "yolo_attn.plugin.weights",
}


def __getattr__(name: str) -> object:
    # Loaded on first use: importing the package does not import torch, which takes a second.
    if name not in _HOMES:
        raise AttributeError(f"module 'yolo_attn' has no attribute {name!r}; it offers {', '.join(__all__)}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


_autoload.arm()
