"""Whether somebody watches the parts of a layer, whose fast form may use the parameters of a part without calling it."""

import torch
from torch import nn


def are_watched(*parts: nn.Module) -> bool:
    """Return whether parts have forward hooks, as counters of operations register them: then they must be called.

    With gradients they need not be: torch-pruning, which follows gradients from hook to hook, gets lost where the groups of a feature
    map pass through one part.
    """
    return not torch.is_grad_enabled() and any(part._forward_hooks or part._forward_pre_hooks for part in parts)
