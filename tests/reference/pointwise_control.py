import torch


def pointwise_control(x, state):
    matrix = state["conv.weight"][:, :, 0, 0]
    m = len(matrix)
    mixed = torch.einsum("oc,bchw->bohw", matrix, x[:, :m])
    return torch.stack([mixed[:, c] if c < m else x[:, c] for c in range(x.shape[1])], 1)
