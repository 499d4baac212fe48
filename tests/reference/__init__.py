"""Independent references in float64: what each layer's equations say. A layer's reference has the name of its file."""

from importlib import import_module

from yolo_attn.layers import LAYERS


def reference_of(name):
    """The reference of a layer, called as f(x, state) with what `tests.layers.inputs.state_of` gives."""
    file = LAYERS[name].__module__.rpartition(".")[2]
    return getattr(import_module(f"tests.reference.{file}"), file)
