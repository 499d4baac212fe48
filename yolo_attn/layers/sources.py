"""How many feature maps a layer reads."""

from torch import nn


def reads_several(layer: type[nn.Module] | nn.Module) -> bool:
    """Return whether a layer takes a list of channels and a list of feature maps: its class says `multi_source = True`."""
    return getattr(layer, "multi_source", False)
