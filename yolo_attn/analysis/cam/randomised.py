"""The same network with its weights shuffled: a map that looks alike for it says nothing about what was learned.

The check of Adebayo et al., NeurIPS 2018, https://arxiv.org/abs/1810.03292, section 3.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn


def with_shuffled_weights(network: nn.Module, seed: int) -> nn.Module:
    """Copy a network, with the values of each parameter and of each running mean and variance in random order.

    Weights drawn as for a training would let the feature maps of a deep network fade; shuffled, they keep their sizes.
    """
    network = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in [*network.parameters(), *network.buffers()]:
            if values.is_floating_point():
                order = torch.randperm(values.numel(), generator=generator).to(values.device)
                values.copy_(values.flatten()[order].view(values.shape))
    return network


def rank_correlation(values: np.ndarray, others: np.ndarray, inside: np.ndarray) -> float:
    """Two maps (h, w) -> Spearman's rank correlation over the cells `inside`, -1 to 1; NaN if either is the same everywhere."""
    first, second = values[inside], others[inside]
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)
