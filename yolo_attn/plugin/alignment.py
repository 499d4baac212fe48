"""Pair the rows of two models that play the same role.

Ultralytics matches weights by key, and a key begins with the number of its row. One row inserted early, and every later weight is lost or,
where shapes happen to agree, given to a row of another role. `renumbering.py` uses the pairs found here.
"""

from difflib import SequenceMatcher
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import nn

from yolo_attn import networks
from yolo_attn.layers import LAYERS

PROBE = 128  # height and width in pixels of the image that measures strides; a multiple of every stride in use
# Ultralytics' models and their rows. torch types every attribute of a module as a tensor or a module, which fits neither.
Model: TypeAlias = Any

IMAGE = -1  # the row number that stands for the image


def has_rows(model: object) -> bool:
    """Return whether a model was built from a YAML: rows of modules that know their sources (torchvision models are not)."""
    rows = getattr(model, "model", None)
    return isinstance(rows, nn.Sequential) and len(rows) > 0 and all(hasattr(row, "f") for row in rows)


def is_attention(row: Model) -> bool:
    return _row_type(row)[0] in LAYERS.values()


def has_plugin_rows(model: Model) -> bool:
    """Return whether a model has what a stock Ultralytics does not know: attention, in rows or in blocks, or a network of this package."""
    is_network = (_row_type(row)[0].__module__ in networks.MODULES.values() for row in model.model)
    return any(is_network) or bool(attention_keys(model.model))


def attention_keys(module: Model) -> set[str]:
    """Return the keys of the tensors of a module's attention layers, of this package or registered, however deep they stand."""
    layers = [(f"{path}." if path else "", m) for path, m in module.named_modules() if type(m) in LAYERS.values()]
    return {prefix + key for prefix, layer in layers for key in layer.state_dict()}


def same_rows(source: Model, target: Model) -> bool:
    """Return whether the rows of two models are the same modules in the same order, so that their keys agree."""
    return [_row_type(row) for row in source.model] == [_row_type(row) for row in target.model]


def _row_type(row: Model) -> tuple[type, ...]:
    return tuple(map(type, row)) if type(row) is nn.Sequential and len(row) else (type(row),)


def align(source: Model, target: Model) -> list[tuple[int, int]]:
    """Return the pairs (source row, target row) that play the same role.

    Where the models differ in attention layers only, the other rows pair off one to one. Otherwise the longest common sequence of rows
    is taken: same module, same shapes, same stride. Attention layers of one class pair off where they read paired rows.
    """
    source_rows, target_rows = _stock_rows(source), _stock_rows(target)
    if _wiring(source, source_rows) == _wiring(target, target_rows):
        pairs = list(zip(source_rows, target_rows, strict=True))
    else:
        matcher = SequenceMatcher(None, _roles(source, source_rows), _roles(target, target_rows), autojunk=False)
        pairs = []
        for a, b, size in matcher.get_matching_blocks():
            pairs += zip(source_rows[a : a + size], target_rows[b : b + size], strict=True)
        # The head is the last row, whatever its shapes are.
        pairs = [pair for pair in pairs if pair[0] != source_rows[-1] and pair[1] != target_rows[-1]]
        source_head, head = source.model[-1], target.model[-1]
        if isinstance(source_head, type(head)) or isinstance(head, type(source_head)):  # of one task
            pairs.append((source_rows[-1], target_rows[-1]))
    return sorted(pairs + _attention_pairs(source, target, dict(pairs)))


def _stock_rows(model: Model) -> list[int]:
    return [index for index, row in enumerate(model.model) if not is_attention(row)]


def _attention_rows(model: Model) -> list[int]:
    return [index for index, row in enumerate(model.model) if is_attention(row)]


def _sources(model: Model, index: int) -> list[int]:
    """Return the rows that a row reads; in place of an attention layer, the nearest row before it that is none."""
    sources = []
    for source in _direct_sources(model.model[index], index):
        while source != IMAGE and is_attention(model.model[source]):
            source = _direct_sources(model.model[source], source)[0]
        sources.append(source)
    return sources


def _direct_sources(row: Model, index: int) -> list[int]:
    references = row.f if isinstance(row.f, list) else [row.f]
    return [max(reference if reference >= 0 else index + reference, IMAGE) for reference in references]


def _wiring(model: Model, rows: list[int]) -> list[tuple[tuple[type, ...], list[int]]]:
    position = {row: number for number, row in enumerate(rows)} | {IMAGE: IMAGE}
    return [(_row_type(model.model[row]), [position[source] for source in _sources(model, row)]) for row in rows]


def _roles(model: Model, rows: list[int]) -> list[tuple]:
    """Return what a row shares with its counterpart: type, shapes of the weights, stride."""
    strides = _strides(model)
    shapes = [_shapes(model.model[row]) for row in rows]
    return [(_row_type(model.model[row]), shape, strides[row]) for row, shape in zip(rows, shapes, strict=True)]


def _shapes(row: Model) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of a row's weights, those of attention inside its block left out."""
    inner = attention_keys(row)
    return tuple(tuple(value.shape) for key, value in row.state_dict().items() if key not in inner)


def _attention_pairs(source: Model, target: Model, pairs: dict[int, int]) -> list[tuple[int, int]]:
    """Return the pairs of attention layers of one class whose sources are paired, in the order of the rows."""
    counterpart = pairs | {IMAGE: IMAGE}
    free = {row: (_row_type(target.model[row]), _sources(target, row)) for row in _attention_rows(target)}
    attention_pairs = []
    for row in _attention_rows(source):
        expected = _row_type(source.model[row]), [counterpart.get(entry) for entry in _sources(source, row)]
        if match := [candidate for candidate, role in free.items() if role == expected]:
            attention_pairs.append((row, match[0]))
            del free[match[0]]
    return attention_pairs


def image_channels(model: Model) -> int:
    """Channels of the images that a model takes."""
    return model.yaml.get("channels", model.yaml.get("ch", 3))  # "ch" up to Ultralytics 8.3


def _strides(model: Model) -> list[int | None]:
    """Return the stride of each row's output: image height over feature map height, None where the output is no feature map.

    The model runs its own forward, which alone knows what a row is called with: some rows of YOLO-World read text as well. With `embed`
    it ends before the head, which would remember the size of the image.
    """
    strides: list[int | None] = [None] * len(model.model)

    def note(index: int, row: Model, inputs: tuple, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            strides[index] = PROBE // output.shape[2]

    modes = [(module, module.training) for module in model.modules()]
    hooks = [row.register_forward_hook(partial(note, index)) for index, row in enumerate(model.model)]
    parameter = next(model.parameters())
    image = torch.zeros(1, image_channels(model), PROBE, PROBE, dtype=parameter.dtype, device=parameter.device)
    try:
        model.eval()
        with torch.no_grad():
            model.predict(image, embed=[len(model.model) - 2])
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return strides
