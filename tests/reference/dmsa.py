"""DMSA with every affinity map built, one image and one group at a time; statistics over the batch are the only joint step."""

import torch
import torch.nn.functional as F


def dmsa(x, state, fusion="concat", norm="instance", stride=1):
    """DMSA of x with the parameters in state."""
    half, k = x.shape[1] // 2, len(state["query.bias"])
    parts = half // k  # of a scale, as many as groups
    outs, groups = [], []
    for image in x:
        scales = [
            F.conv2d(image[:half], state["conv3x3.weight"], stride=stride, padding=1),
            F.conv2d(image[half:], state["conv5x5.weight"], stride=stride, padding=2),
        ]
        # Equations 1 and 2: w = sigmoid(W1 relu(W0 mean)), for each k channels of a scale.
        z = [
            torch.cat(
                [
                    torch.sigmoid(state["expand.weight"] @ (state["squeeze.weight"] @ part.mean((1, 2))).clamp(min=0))
                    for part in scale.split(k)
                ]
            )
            for scale in scales
        ]
        # Equations 8 and 9: Y_i = F_i * exp(Z_i) / (exp(Z_0) + exp(Z_1)).
        total = z[0].exp() + z[1].exp()
        first, second = (scale * (weight.exp() / total)[:, None, None] for scale, weight in zip(scales, z, strict=True))
        if fusion == "sum":
            groups.append([(part, part) for part in (first + second).split(k)])
        else:
            in_turns = [(first if place % 2 == 0 else second)[place // 2] for place in range(2 * half)]
            groups.append(
                [
                    (
                        torch.stack(in_turns[start : start + k]),
                        torch.stack(in_turns[start + k : start + 2 * k]),
                    )
                    for start in range(0, 2 * half, 2 * k)
                ]
            )
    pixels = torch.stack([pixel for image in groups for _, pixel in image])
    gates = torch.sigmoid(_fully_connected(_normalised(pixels, norm, state), state))
    for number, image in enumerate(groups):
        halves = []
        for group, (channel, pixel) in enumerate(image):
            halves += [_channels(channel, state), _pixels(pixel * gates[number * parts + group], state)]
        together = torch.cat(halves)
        # Shuffle with 2 groups: the first and the second half of the channels take turns.
        outs.append(together[[(place % 2) * half + place // 2 for place in range(2 * half)]])
    return torch.stack(outs)


def _channels(a, state):
    """Equations 3 and 4: E_j = beta * sum_i x_ji A_i + A_j."""
    flat = a.flatten(1)
    affinity = torch.softmax(flat @ flat.T, 1)
    return (state["beta"] * (affinity @ flat) + flat).view_as(a)


def _pixels(a, state):
    """Equations 5 and 6: E_j = alpha * sum_i s_ji D_i + A_j."""
    flat = a.flatten(1)
    b, c, d = (state[f"{name}.weight"] @ flat + state[f"{name}.bias"][:, None] for name in ("query", "key", "value"))
    s = torch.softmax(b.T @ c, 1)  # row: a pixel, column: the pixels that it looks at
    return (state["alpha"] * (d @ s.T) + flat).view_as(a)


def _fully_connected(normalised, state):
    if "pixel_weight" in state:
        return state["pixel_weight"] * normalised + state["pixel_bias"]
    if "conv1x1.weight" in state:
        weight = state["conv1x1.weight"].flatten(1)
        return torch.einsum("oc,nchw->nohw", weight, normalised) + state["conv1x1.bias"][:, None, None]
    return normalised


def _normalised(x, norm, state):
    if norm == "instance":
        return _standardised(x, (2, 3))
    if norm == "group":
        size = next(size for size in (16, 8, 4, 2, 1) if x.shape[1] % size == 0)
        return torch.cat([_standardised(part, (1, 2, 3)) for part in x.split(size, 1)], 1)
    batch = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    if not state["training"] or (norm == "batch" and x[:, 0].numel() == 1):
        batch = (state["norm.running_var"].view(1, -1, 1, 1), state["norm.running_mean"].view(1, -1, 1, 1))
    if norm == "batch":
        return (x - batch[1]) / (batch[0] + state["norm.eps"]).sqrt()
    statistics = [torch.var_mean(x, axes, correction=0, keepdim=True) for axes in ((2, 3), (1, 2, 3))] + [batch]
    by_var, by_mean = torch.softmax(state["norm.var_weight"], 0), torch.softmax(state["norm.mean_weight"], 0)
    var = sum(weight * entry[0] for weight, entry in zip(by_var, statistics, strict=True))
    mean = sum(weight * entry[1] for weight, entry in zip(by_mean, statistics, strict=True))
    return (x - mean) / (var + 1e-5).sqrt()


def _standardised(x, axes):
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()
