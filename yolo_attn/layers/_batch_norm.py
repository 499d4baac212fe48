"""BatchNorm of pooled vectors, for BAM, EMCA and SRM."""

import torch
import torch.nn.functional as F
from torch import nn


def pooled_batch_norm(norm: nn.BatchNorm1d, pooled: torch.Tensor) -> torch.Tensor:
    """pooled (B, C) -> (B, C), normalised.

    A single image has no statistics over the batch. In training, too, the running ones stand in for it, and they stay as
    they are.
    """
    if norm.training and len(pooled) == 1:
        return F.batch_norm(pooled, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    return norm(pooled)
