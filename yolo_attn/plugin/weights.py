"""`pretrained=` and `load()` carry weights across inserted rows."""

from pathlib import Path

from torch import nn
from ultralytics.utils import LOGGER

from yolo_attn.plugin.alignment import Transfer, agree, plan

FEW = 0.8  # share of the parameters below which a transfer is worth a warning


def with_aligned_rows(original):
    """Wrap `ultralytics.nn.tasks.BaseModel.load`. Stock behaviour where the rows of both models agree."""

    def load(self, weights, verbose=True):
        source = (weights.get("ema") or weights["model"]) if isinstance(weights, dict) else weights
        if not _has_rows(source) or not _has_rows(self) or agree(source, self):
            return original(self, weights, verbose)
        view, carried = plan(source.float(), self)
        original(self, view, verbose)
        if verbose:
            report(carried, self)

    return load


def _has_rows(model: nn.Module) -> bool:
    """Whether a model was built from a YAML, rows of modules that know their sources (torchvision models are not)."""
    rows = getattr(model, "model", None)
    return isinstance(rows, nn.Sequential) and all(hasattr(row, "f") for row in rows)


def report(carried: Transfer, model: nn.Module) -> None:
    """Log what was carried, after the stock line "Transferred a/b items"."""

    def named(rows):
        return f" ({', '.join(f'{row} {type(model.model[row]).__name__}' for row in rows)})" if rows else ""

    LOGGER.info(
        f"Rows: {len(carried.matched)} matched, {len(carried.new)} new{named(carried.new)}, "
        f"{len(carried.unmatched)} without a source{named(carried.unmatched)}; "
        f"{carried.carried_tensors} of the source's {carried.source_tensors} tensors, "
        f"{carried.share:.1%} of the model's parameters carried"
    )
    if carried.share < FEW:
        LOGGER.warning(
            f"only {carried.share:.0%} of the parameters were carried: are source and model of one family and scale?"
        )


def transfer(source: "str | Path | nn.Module", model) -> Transfer:
    """Carry every weight that has a home from a checkpoint into a model with other rows.

    Args:
        source: A checkpoint's path, a `YOLO`, or its `model`.
        model: The `YOLO`, or its `model`, that takes the weights.

    Returns:
        What was carried.

    Raises:
        ValueError: One of the two was not built from a model YAML.
    """
    from ultralytics import YOLO

    given = YOLO(source) if isinstance(source, str | Path) else source
    network, taken = (
        entry.model if isinstance(getattr(entry, "model", None), nn.Module) and not _has_rows(entry) else entry
        for entry in (given, model)
    )
    for name, entry in (("source", network), ("model", taken)):
        if not _has_rows(entry):
            raise ValueError(
                f"transfer: {name} is a {type(entry).__name__} without rows; give a model built from a YAML"
            )
    carried = plan(network.float(), taken)[1]
    model.load(network)
    return carried
