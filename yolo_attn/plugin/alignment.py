"""Pretrained weights for a model with other rows: rows are aligned by what they are, then Ultralytics loads by key as always.

Ultralytics matches weights by key, and a key begins with the number of its row: one row inserted early, and every later weight is lost
or, where shapes happen to agree, given to a row of another role. Here the source is presented to the stock `load` with its rows
at the numbers that they have in the target.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import torch
from torch import nn

from yolo_attn.layers import LAYERS

PROBE = 128  # pixels; a multiple of every stride in use


@dataclass(frozen=True)
class Transfer:
    """What a transfer of weights carried.

    Attributes:
        matched: (source row, target row) of each row with a counterpart.
        new: Target rows of our layers without a counterpart.
        unmatched: Other target rows with parameters and without a counterpart.
        source_tensors: Tensors of the source.
        carried_tensors: Those of them that the target took.
        parameters: Parameters of the target.
        carried_parameters: Those of them that came from the source.
    """

    matched: tuple[tuple[int, int], ...]
    new: tuple[int, ...]
    unmatched: tuple[int, ...]
    source_tensors: int
    carried_tensors: int
    parameters: int
    carried_parameters: int

    @property
    def share(self) -> float:
        """Share of the target's parameters that came from the source, 0 to 1."""
        return self.carried_parameters / max(self.parameters, 1)


def agree(source: nn.Module, target: nn.Module) -> bool:
    """Whether the rows of two models are the same modules in the same order, so that keys tell everything."""
    return [_kind(row) for row in source.model] == [_kind(row) for row in target.model]


def _kind(row: nn.Module) -> tuple[type, ...]:
    """A row's module, a repeated row as its repeats."""
    return tuple(map(type, row)) if type(row) is nn.Sequential else (type(row),)


def _ours(row: nn.Module) -> bool:
    return _kind(row)[0] in LAYERS.values()


def align(source: nn.Module, target: nn.Module) -> list[tuple[int, int]]:
    """Pairs of (source row, target row) that play the same role.

    Where the models differ in our layers only, the other rows pair off one to one. Otherwise the longest common course
    of rows is taken: same module, same shapes, same stride. Of our layers, those pair off that are the same class behind paired rows.
    """
    sources, targets = _without_ours(source), _without_ours(target)
    if _wiring(source, sources) == _wiring(target, targets):
        pairs = list(zip(sources, targets, strict=True))
    else:
        one, two = _roles(source, sources), _roles(target, targets)
        blocks = SequenceMatcher(None, one, two, autojunk=False).get_matching_blocks()
        pairs = [(sources[block.a + k], targets[block.b + k]) for block in blocks for k in range(block.size)]
        pairs = [pair for pair in pairs if pair[0] != sources[-1] and pair[1] != targets[-1]]
        if _same_task(source.model[-1], target.model[-1]):
            pairs.append((sources[-1], targets[-1]))
    return sorted(pairs + _pairs_of_ours(source, target, dict(pairs)))


def _without_ours(model: nn.Module) -> list[int]:
    return [index for index, row in enumerate(model.model) if not _ours(row)]


def _sources(model: nn.Module, index: int) -> list[int]:
    """Rows that a row reads, our layers skipped: the nearest rows before them that are not ours."""
    found = []
    for entry in _read(model.model[index], index):
        while entry >= 0 and _ours(model.model[entry]):
            entry = _read(model.model[entry], entry)[0]
        found.append(entry)
    return found


def _read(row: nn.Module, index: int) -> list[int]:
    """Indices of the rows that a row reads, negative for the image."""
    return [entry if entry >= 0 else index + entry for entry in (row.f if isinstance(row.f, list) else [row.f])]


def _wiring(model: nn.Module, rows: list[int]) -> list:
    position = {row: number for number, row in enumerate(rows)} | {-1: -1}
    return [(_kind(model.model[row]), [position[entry] for entry in _sources(model, row)]) for row in rows]


def _roles(model: nn.Module, rows: list[int]) -> list:
    strides = _strides(model)
    return [
        (
            _kind(model.model[row]),
            tuple(tuple(value.shape) for value in model.model[row].state_dict().values()),
            strides[row],
        )
        for row in rows
    ]


def _same_task(source: nn.Module, target: nn.Module) -> bool:
    return isinstance(source, type(target)) or isinstance(target, type(source))


def _pairs_of_ours(source: nn.Module, target: nn.Module, pairs: dict[int, int]) -> list[tuple[int, int]]:
    def placed(model):
        return {index: (_kind(row), _sources(model, index)[0]) for index, row in enumerate(model.model) if _ours(row)}

    found, free = [], placed(target)
    for index, (kind, behind) in placed(source).items():
        for candidate, (other, place) in free.items():
            if kind == other and pairs.get(behind) == place:
                found.append((index, candidate))
                del free[candidate]
                break
    return found


def _strides(model: nn.Module) -> list[int | None]:
    """The stride of each row's output: image height over map height, None where the output is no map."""
    training, heights = model.training, []
    model.eval()
    parameter = next(model.parameters())
    channels = next(value for value in model.parameters() if value.ndim == 4).shape[1]
    image = torch.zeros(1, channels, PROBE, PROBE, dtype=parameter.dtype, device=parameter.device)
    outputs = []
    with torch.no_grad():
        for index, row in enumerate(list(model.model)[:-1]):
            maps = [outputs[entry] if entry >= 0 else image for entry in _read(row, index)]
            outputs.append(row(maps if isinstance(row.f, list) else maps[0]))
            is_map = isinstance(outputs[-1], torch.Tensor) and outputs[-1].ndim == 4
            heights.append(PROBE // outputs[-1].shape[2] if is_map else None)
    model.train(training)
    return [*heights, None]


def presented(source: nn.Module, target: nn.Module, pairs: Sequence[tuple[int, int]]) -> nn.Module:
    """The source with its rows numbered as their counterparts in the target are; it shares the weights and is not to be run."""
    rows = [nn.Identity() for _ in target.model]
    for ours, theirs in pairs:
        rows[theirs] = source.model[ours]
    if len(rows) - 1 in dict(map(reversed, pairs)):
        rows[-1] = _with_levels_of(target.model[-1], source.model[-1])
    view = copy.copy(source)
    view._modules = {**source._modules, "model": nn.Sequential(*rows)}
    return view


def _with_levels_of(target: nn.Module, head: nn.Module) -> nn.Module:
    """The head with its branches at the levels of equal stride; itself if the two have the same levels or none."""
    have, want = (getattr(module, "stride", torch.zeros(0)).tolist() for module in (head, target))
    if have == want:
        return head
    shifted = nn.Module()  # not the head's class: its keys are all that the stock `load` is to see
    for name, child in head.named_children():
        if isinstance(child, nn.ModuleList) and len(child) == len(have):
            child = nn.ModuleList(child[have.index(stride)] if stride in have else nn.Identity() for stride in want)
        shifted.add_module(name, child)
    return shifted


def plan(source: nn.Module, target: nn.Module) -> tuple[nn.Module, Transfer]:
    """The source as the target's `load` should see it, and what will be carried."""
    pairs = align(source, target)
    view = presented(source, target, pairs)
    given, wanted = view.state_dict(), target.state_dict()
    carried = [key for key, value in given.items() if key in wanted and value.shape == wanted[key].shape]
    parameters = dict(target.named_parameters())
    paired = {theirs for _, theirs in pairs}
    alone = [index for index, row in enumerate(target.model) if index not in paired]
    return view, Transfer(
        matched=tuple(pairs),
        new=tuple(index for index in alone if _ours(target.model[index])),
        unmatched=tuple(
            i for i in alone if not _ours(target.model[i]) and any(True for _ in target.model[i].parameters())
        ),
        source_tensors=len(source.state_dict()),
        carried_tensors=len(carried),
        parameters=sum(value.numel() for value in parameters.values()),
        carried_parameters=sum(parameters[key].numel() for key in carried if key in parameters),
    )
