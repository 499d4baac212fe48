"""MCA, one image, one axis and one place along it at a time."""

import torch


def mca(x, state, by_channel=True):
    """MCA of x with the parameters in state."""
    axes = {"rows": 1, "columns": 2} | ({"channels": 0} if by_channel else {})
    outs = []
    for image in x:
        gates = []
        for name, axis in axes.items():
            weight = torch.sigmoid(state[f"{name}.weight"])
            pooled = []
            for part in image.unbind(axis):
                mean = part.mean()
                deviation = (((part - mean) ** 2).mean() + 1e-12) ** 0.5
                pooled.append((mean + deviation) / 2 + weight[0] * mean + weight[1] * deviation)
            kernel = state[f"{name}.conv.weight"].flatten()
            reach = len(kernel) // 2
            padded = [torch.zeros_like(pooled[0])] * reach + pooled + [torch.zeros_like(pooled[0])] * reach
            scores = [sum(k * padded[place + i] for i, k in enumerate(kernel)) for place in range(len(pooled))]
            shape = [1, 1, 1]
            shape[axis] = len(pooled)
            gates.append(torch.sigmoid(torch.stack(scores)).view(shape))
        outs.append(sum(image * gate for gate in gates) / len(gates))
    return torch.stack(outs)
