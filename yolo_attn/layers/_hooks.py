"""Whether somebody watches the parts of a layer, whose fast form may use the parameters of a part without calling it."""

from torch import nn


def have_hooks(*parts: nn.Module) -> bool:
    """Return whether a part has hooks, as counters of operations register them: then it must be called for them to run."""
    return any(
        part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks
        for part in parts
    )
