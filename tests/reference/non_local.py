"""Non-local block with the matrix of all pairs of pixels, one image at a time."""

import torch

from tests.reference.batch_norm import batch_norm


def non_local(x, state, divided=False):
    """Non-local block of x with the parameters in state; scores divided by the root of the bottleneck's width if asked."""
    summed = torch.stack([_summed(image, state, divided) for image in x])
    added = torch.einsum("dc,bchw->bdhw", state["expand.weight"][..., 0, 0], summed)
    if "norm.weight" in state:
        return x + batch_norm(added, state, "norm")
    return x + added + state["expand.bias"][:, None, None]


def _summed(image, state, divided):
    """image (C, H, W) -> (C / reduction, H, W)."""
    pixels = image.flatten(1).T
    query, key, value = (
        pixels @ state[f"{name}.weight"].T + state[f"{name}.bias"] for name in ("query", "key", "value")
    )
    scores = torch.einsum("id,jd->ij", query, key) / (query.shape[1] ** 0.5 if divided else 1)
    exponentials = torch.exp(scores - scores.amax(1, keepdim=True))
    weights = exponentials / exponentials.sum(1, keepdim=True)
    return torch.einsum("ij,jd->di", weights, value).view(-1, *image.shape[1:])
