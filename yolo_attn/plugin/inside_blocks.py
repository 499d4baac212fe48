"""Put attention layers inside a stock block that Ultralytics' parser has built.

A layer runs behind the activation of a convolution, or as the last of an `nn.Sequential`. No class changes, every key of the block's
own tensors stays, and the layer is a child like any other: it is copied, pickled, fused, moved and exported with the block.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn
from ultralytics.nn.modules import GhostConv

from yolo_attn.model_yaml.inner_layers import END
from yolo_attn.plugin.inner_layers import InnerLayer

# Class of a bottleneck, or of another block with a shortcut around its convolutions: the child whose output is added to the shortcut.
BRANCH = {
    "ABlock": "mlp",
    "Bottleneck": "cv2",
    "C1": "m",
    "CIB": "cv1",
    "GhostBottleneck": "conv",
    "PSA": "ffn",
    "PSABlock": "ffn",
    "RepC3": "m",
    "ResNetBlock": "cv3",
}
# Child that makes the output of a block: the classes of the blocks. A convolution makes its own.
BLOCKS_BY_LAST = {
    "": ("Conv", "ConvTranspose", "RepConv"),
    "conv": ("Focus",),
    "conv2": ("LightConv",),
    "cv1": ("AConv",),
    "cv2": ("A2C2f", "Bottleneck", "C2", "C2PSA", "C2f", "C2fAttn", "PSA", "SCDown", "SPP", "SPPF"),
    "cv3": ("C3", "C3f", "RepC3"),
    "cv4": ("BottleneckCSP", "RepNCSPELAN4"),
    "cv5": ("SPPELAN",),
    "ec": ("HGBlock",),
    "stem4": ("HGStem",),
}
LAST = {name: child for child, names in BLOCKS_BY_LAST.items() for name in names}

Place = tuple[Any, str, int]  # a module, its child behind which a layer runs ("" is the module itself), the width there


def insert(row: nn.Module, name: str, layers: Sequence[InnerLayer]) -> list[nn.Module]:
    """Put layers inside a row's module as Ultralytics' parser has built it, and return them.

    Args:
        row: The module, an `nn.Sequential` of several where the row repeats it.
        name: Name of the row's block.
        layers: In the order in which they are to run.

    Raises:
        ValueError: The block has no such place, or a layer does not fit the width there.
    """
    blocks = list(row) if type(row) is nn.Sequential else [row]
    chosen = []
    for layer in layers:
        places = [place for block in blocks for place in _places(block, layer.place)]
        if not places:
            raise ValueError(_no_place(name, layer, blocks))
        chosen += [(place, layer.build(place[2])) for place in places]
    for (parent, child, _), module in chosen:
        _append(parent, child, module)
    return [module for _, module in chosen]


def _places(block: nn.Module, place: str) -> Iterator[Place]:
    """Yield where in a block layers of a place run."""
    table, modules = (LAST, [block]) if place == END else (BRANCH, block.modules())
    for module in modules:
        child = _entry(table, module)
        if child is not None:
            yield module, child, _width(module, child)


def _entry(table: Mapping[str, str], module: nn.Module) -> str | None:
    """Return the entry of a module's class, or of the nearest class that it derives from, if that is Ultralytics'."""
    stock = (kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("ultralytics."))
    return next((table[name] for name in stock if name in table), None)


def _width(parent: Any, child: str) -> int:
    """Return the channels of a child's output; those of its parent's last convolution where the child has none."""
    module = getattr(parent, child) if child else parent
    while type(module) is nn.Sequential:
        module = module[-1]
    if isinstance(module, GhostConv):
        return 2 * module.cv2.conv.out_channels
    return (_convolution_widths(module) or _convolution_widths(parent))[-1]


def _convolution_widths(module: nn.Module) -> list[int]:
    return [conv.out_channels for conv in module.modules() if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)]


def _append(parent: Any, child: str, layer: nn.Module) -> None:
    """Run a layer behind a child of a module, and behind what was put there before.

    Its key begins with the name of its class, so that weights of another layer in its place are never taken for its own.
    """
    module = getattr(parent, child) if child else parent
    if isinstance(module, nn.Identity):  # the last of a RepC3 that keeps its width
        module = nn.Sequential()
        setattr(parent, child, module)
    elif type(module) is not nn.Sequential:
        if type(module.act) is not nn.Sequential:
            module.act = nn.Sequential(OrderedDict(act=module.act))
        module = module.act
    name = type(layer).__name__
    module.add_module(f"{name}{len(module)}" if hasattr(module, name) else name, layer)


def _no_place(name: str, layer: InnerLayer, blocks: Sequence[nn.Module]) -> str:
    if any(True for block in blocks for place in (END, "") for _ in _places(block, place)):
        if layer.place == END:
            return f"{name} does not end in a convolution; write {name}+{layer.call} for its bottlenecks"
        return f"{name} has no bottlenecks; write {name}+{layer.call}@end for its end"
    return f"{name} has no place for a layer inside; {layer.row_of_its_own}"
