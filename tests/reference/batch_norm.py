"""BatchNorm with the statistics of the batch in training and the running ones otherwise."""


def batch_norm(x, state, name):
    """x (B, C, ...), normalised and scaled. One pooled vector has no statistics: the running ones stand in."""
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    if state["training"] and x.numel() > x.shape[1]:
        count = x.numel() // x.shape[1]
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean = x.sum(axes) / count
        variance = ((x - mean.view(shape)) ** 2).sum(axes) / count
    normalised = (x - mean.view(shape)) / (variance.view(shape) + state[f"{name}.eps"]) ** 0.5
    return normalised * state[f"{name}.weight"].view(shape) + state[f"{name}.bias"].view(shape)
