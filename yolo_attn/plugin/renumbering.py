"""A source of weights as the stock `load`, which matches keys, has to see it: its rows at the numbers that they have in the target."""

import copy
from collections.abc import Sequence

import torch
import ultralytics
from torch import nn
from ultralytics.nn import tasks
from ultralytics.nn.modules import Detect
from ultralytics.utils.checks import check_version
from ultralytics.utils.torch_utils import initialize_weights

from yolo_attn.plugin.alignment import Model, image_channels

# From this version on, the stock `load` gives class branches the width of the source's. Earlier ones could not resume such a model.
STOCK_WIDENS_CLASS_BRANCHES = check_version(ultralytics.__version__, ">=8.4.175")


def renumbered(source: Model, target: Model, pairs: Sequence[tuple[int, int]]) -> Model:
    """Return the source with its rows at the numbers of their counterparts; `pairs` are (source row, target row).

    The result shares the weights, in float32, and is not to be run. The source is left as it is.
    """
    if any(value.is_floating_point() and value.dtype != torch.float32 for value in source.state_dict().values()):
        source = copy.deepcopy(source).float()  # the stock `load` would turn the caller's model into float32
    rows: list[nn.Module] = [nn.Identity() for _ in target.model]
    for source_row, target_row in pairs:
        rows[target_row] = source.model[source_row]
    if any(target_row == len(rows) - 1 for _, target_row in pairs):
        rows[-1] = _head_with_levels_of(target.model[-1], source.model[-1])
    view = copy.copy(source)
    view._modules = {**source._modules, "model": nn.Sequential(*rows)}
    view.is_renumbered = True
    return view


def _levels(head: Model) -> list[float]:
    return getattr(head, "stride", torch.zeros(0)).tolist()


def _head_with_levels_of(target: Model, head: Model) -> Model:
    """Return the head with its branches at the levels of equal stride; itself if the two have the same levels."""
    strides, wanted = _levels(head), _levels(target)
    if strides == wanted:
        return head
    shifted = nn.Module()  # not the head's class: the stock `load` is to see its keys and nothing else
    for name, child in head.named_children():
        if isinstance(child, nn.ModuleList) and len(child) == len(strides):
            levels = [child[strides.index(stride)] if stride in strides else nn.Identity() for stride in wanted]
            child = nn.ModuleList(levels)
        shifted.add_module(name, child)
    return shifted


def widen_class_branches(source: Model, target: Model) -> None:
    """Give the target's class branches the width that they have with the source's number of classes, if that is the source's width.

    The width depends on the number of classes, so that of 80 classes hardly anything would fit 10. The stock `load` does the same for
    heads of the same levels; this is for a head with other levels, such as a P2 variant's.
    """
    head, source_head = target.model[-1], source.model[-1]
    if not (isinstance(head, Detect) and isinstance(source_head, Detect) and STOCK_WIDENS_CLASS_BRANCHES):
        return
    if head.nc == source_head.nc or _levels(head) == _levels(source_head):
        return
    model_yaml = {**copy.deepcopy(target.yaml), "nc": source_head.nc}
    rebuilt = tasks.parse_model(model_yaml, ch=image_channels(target), verbose=False)[0][-1]
    for name in ("cv3", "one2one_cv3"):
        branches: list[Model] = [getattr(module, name, None) for module in (source_head, head, rebuilt)]
        if None in branches:
            continue
        _, taken, wide = branches
        given_width, taken_width, wide_width = (branch[0][-1].in_channels for branch in branches)
        if taken_width == given_width or wide_width != given_width:
            continue
        for wide_branch, branch in zip(wide, taken, strict=True):
            if wide_branch[-1].out_channels != branch[-1].out_channels:
                wide_branch[-1] = nn.Conv2d(wide_branch[-1].in_channels, branch[-1].out_channels, 1)
        initialize_weights(wide)
        weight = taken[0][-1].weight
        setattr(head, name, wide.to(weight.device, weight.dtype).train(taken.training))
        head.bias_init()
