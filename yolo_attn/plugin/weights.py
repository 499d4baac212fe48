"""`pretrained=` and `load()` carry weights across inserted rows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from ultralytics.utils import LOGGER

from yolo_attn.plugin.alignment import Model, align, attention_keys, has_plugin_rows, has_rows, is_attention, same_rows
from yolo_attn.plugin.files import is_shipped
from yolo_attn.plugin.renumbering import renumbered, widen_class_branches

# Share of the parameters, those of new attention layers aside, below which a transfer is worth a warning.
LOW_SHARE = 0.8


@dataclass(frozen=True)
class Transfer:
    """Result of a transfer of weights, counted after loading."""

    matched: tuple[tuple[int, int], ...]  # (source row, target row) of each row with a counterpart
    new: tuple[int, ...]  # target rows of attention layers without a counterpart
    unmatched: tuple[int, ...]  # other target rows with parameters and without a counterpart
    source_tensors: int
    carried_tensors: int  # those of them that stand in the target; a class branch filled by class names does not count
    parameters: int  # of the target
    new_parameters: int  # those of them in attention layers, rows or inside blocks, that the source does not have
    carried_parameters: int  # those of them that came from the source

    @property
    def share(self) -> float:
        """Share of the target's parameters that came from the source, 0 to 1."""
        return self.carried_parameters / max(self.parameters, 1)

    def to_json(self) -> dict:
        """Return the fields and the share, for a record."""
        return {**asdict(self), "share": self.share}


def with_aligned_rows(original: Callable) -> Callable:
    """Wrap `ultralytics.nn.tasks.BaseModel.load`: rows are aligned where either model is of this plug-in, see `_is_aligned`."""

    def load(self: Model, weights: Model | dict, verbose: bool = True) -> None:
        source = (weights.get("ema") or weights["model"]) if isinstance(weights, dict) else weights
        try:
            aligned = _prepared(source, self) if _is_aligned(source, self) else None
        except Exception as error:  # Ultralytics can do without the alignment, whatever went wrong in it
            LOGGER.warning(f"yolo_attn could not align the rows, so weights are matched by key: {error!r}")
            aligned = None
        original(self, aligned[0] if aligned else weights, verbose)
        if aligned and verbose:
            _log(_counted(source, *aligned, self), source, self)

    return load


def _is_aligned(source: Model, target: Model) -> bool:
    """Return whether either model has a row of this plug-in or is one of cfg/, so that a baseline gets the same weights as its variants."""
    if not (has_rows(source) and has_rows(target)) or hasattr(source, "is_renumbered") or same_rows(source, target):
        return False
    return any(has_plugin_rows(model) or is_shipped(getattr(model, "yaml", None)) for model in (source, target))


def _prepared(source: Model, target: Model) -> tuple[nn.Module, list[tuple[int, int]]]:
    """Widen the target's class branches; return the source as the stock `load` has to see it, and the pairs of rows."""
    pairs = align(source, target)
    widen_class_branches(source, target)
    return renumbered(source, target, pairs), pairs


def _counted(source: Model, view: Model, pairs: list[tuple[int, int]], target: Model) -> Transfer:
    """Count what of the source stands in the target, which has been loaded from the renumbered view."""
    given, taken = view.state_dict(), target.state_dict()
    carried = {key for key, value in given.items() if key in taken and torch.equal(value.to(taken[key]), taken[key])}
    parameters = {key: value.numel() for key, value in target.named_parameters()}
    in_row = [sum(value.numel() for value in row.parameters()) for row in target.model]
    unpaired = sorted({*range(len(in_row))} - {target_row for _, target_row in pairs})
    new = tuple(index for index in unpaired if is_attention(target.model[index]))
    new_keys = {key for key in attention_keys(target) if key in parameters and key not in given}
    return Transfer(
        matched=tuple(pairs),
        new=new,
        unmatched=tuple(index for index in unpaired if index not in new and in_row[index]),
        source_tensors=len(source.state_dict()),
        carried_tensors=len(carried),
        parameters=sum(parameters.values()),
        new_parameters=sum(parameters[key] for key in new_keys),
        carried_parameters=sum(parameters[key] for key in carried if key in parameters),
    )


def _log(carried: Transfer, source: Model, model: Model) -> None:
    def counted(rows: tuple[int, ...], kind: str) -> str:
        names = ", ".join(f"{row} {type(model.model[row]).__name__}" for row in rows)
        return f"{len(rows)} {kind}" + (f" ({names})" if names else "")

    LOGGER.info(
        f"Rows: {len(carried.matched)} matched, {counted(carried.new, 'new')}, {counted(carried.unmatched, 'without a source')}; "
        f"{carried.carried_tensors} of the source's {carried.source_tensors} tensors, "
        f"{carried.share:.1%} of the model's parameters carried"
    )
    share = carried.carried_parameters / max(carried.parameters - carried.new_parameters, 1)
    if share < LOW_SHARE:
        scales = [(getattr(entry, "yaml", None) or {}).get("scale") for entry in (source, model)]
        doubt = "are source and model of one family and scale?"
        if all(scales) and scales[0] != scales[1]:
            doubt = "the source has scale {}, the model scale {}; choose both of one scale".format(*scales)
        LOGGER.warning(f"only {share:.0%} of the parameters outside new attention layers were carried: {doubt}")


def transfer(source: "str | Path | nn.Module", model: Model) -> Transfer:
    """Carry every weight that has a home from a checkpoint into a model with other rows, stock models included.

    Args:
        source: A checkpoint's path, a `YOLO`, or its `model`; it is left as it is.
        model: The `YOLO`, or its `model`, that takes the weights.

    Raises:
        ValueError: One of the two was not built from a model YAML.
    """
    from ultralytics import YOLO

    source_network = _network("source", YOLO(source) if isinstance(source, str | Path) else source)
    network = _network("model", model)
    prepared = _prepared(source_network, network)
    model.load(prepared[0])
    if hasattr(model, "ckpt"):  # a YOLO without one trains from scratch; old versions of Ultralytics do not set it here
        model.ckpt = model.ckpt or {"model": network}
    carried = _counted(source_network, *prepared, network)
    _log(carried, source_network, network)
    return carried


def _network(name: str, model: Model) -> Model:
    network = model if has_rows(model) else getattr(model, "model", None)
    if not has_rows(network):
        raise ValueError(f"transfer: {name} is a {type(model).__name__} without rows; give a model built from a YAML")
    return network
