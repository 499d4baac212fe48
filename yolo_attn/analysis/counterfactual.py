"""The score of a model with the gate of one layer replaced: by its mean over the set, and by 1."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from yolo_attn.analysis.attention_layers import first_source, multiplied, replaced_forward
from yolo_attn.analysis.evaluation import Evaluation
from yolo_attn.analysis.gate_statistics import Values
from yolo_attn.analysis.layer_gates import Measurement

LEVEL = 0.95  # of the interval


@dataclass(frozen=True)
class Change:
    """What replacing the gate of a layer does to one score.

    Attributes:
        layer: Path of the layer.
        gate: What replaces its gate: "mean", over all images at the same channel and pixel, or "1".
        metric: "mAP50-95" of Ultralytics, "official AP" of VisDrone's protocol, or "top-1".
        score: With that gate, in percent.
        difference: `score` less that of the model as it is.
        low, high: Interval of the difference that holds LEVEL of the resampled sets of images.
    """

    layer: str
    gate: str
    metric: str
    score: float
    difference: float
    low: float
    high: float


def counterfactual(
    trained: Evaluation, measured: Measurement, layers: Collection[str] = (), resamples: int = 200, seed: int = 0
) -> Iterator[Change]:
    """A model with its measured gates -> the changes of its scores for each layer that has a gate, by mean and by 1.

    The interval comes from images drawn with replacement, the same draws with and without the gate: the percentile bootstrap. It says how
    far the images decide; a second training moves the score, too.

    Args:
        trained: The model and its images; it is evaluated twice for each layer.
        measured: What `measure` returned for it.
        layers: Paths of the layers; all without any.
        resamples: Number of draws, 1 or more.
        seed: Of the draws.
    """
    everything = np.arange(len(measured.scores))
    generator = np.random.default_rng(seed)
    draws = [everything, *(generator.choice(everything, len(everything)) for _ in range(resamples))]
    before = [measured.scores.scores(draw) for draw in draws]
    for path, layer in measured.recording.layers.items():
        values = measured.recording.values[path]
        if measured.recording.reasons[path] or not values.sizes or (layers and path not in layers):
            continue
        for name, forward in (("mean", _by_mean(layer, values)), ("1", _by_one(layer))):
            with replaced_forward(layer, forward):
                replaced = trained.evaluate()
            yield from _compared(path, name, before, [replaced.scores(draw) for draw in draws])


def _by_one(layer: nn.Module) -> Callable[[Any], torch.Tensor]:
    return lambda inputs: multiplied(layer, inputs, 1.0)


def _by_mean(layer: nn.Module, values: Values) -> Callable[[Any], torch.Tensor]:
    def forward(inputs: Any) -> torch.Tensor:
        x = first_source(inputs)
        size = (x.shape[2], x.shape[3])
        if size not in values.sizes:  # a warm-up, whose output nobody reads
            return type(layer).forward(layer, inputs)
        return multiplied(layer, inputs, values.mean_of(size).to(x.dtype))

    return forward


def _compared(
    path: str, name: str, before: Sequence[Mapping[str, float]], after: Sequence[Mapping[str, float]]
) -> Iterator[Change]:
    """Compare the scores of all images, which come first, and of each draw."""
    for metric, score in after[0].items():
        difference, *resampled = (new[metric] - old[metric] for new, old in zip(after, before, strict=True))
        low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        yield Change(path, name, metric, score, difference, float(low), float(high))
