"""Triplet attention as its paper draws it: the map is rotated, gated and rotated back, three times."""

import torch

from tests.reference.batch_norm import batch_norm


def triplet_attention(x, state):
    """TripletAttention of x with the parameters in state."""

    def gated(name, rotated):
        """rotated (B, first axis, rows, columns): gated by what is left after pooling over the first axis."""
        kernel = state[f"{name}.0.weight"][0]
        (height, width), side = rotated.shape[2:], kernel.shape[-1]
        reach = side // 2
        padded = rotated.new_zeros(len(rotated), 2, height + 2 * reach, width + 2 * reach)
        padded[:, 0, reach : reach + height, reach : reach + width] = rotated.max(1).values
        padded[:, 1, reach : reach + height, reach : reach + width] = rotated.sum(1) / rotated.shape[1]
        windows = padded.unfold(2, side, 1).unfold(3, side, 1)
        score = torch.einsum("prc,bphwrc->bhw", kernel, windows)
        score = batch_norm(score[:, None], state, f"{name}.1")[:, 0]
        return rotated / (1 + torch.exp(-score))[:, None]

    by_pixel = gated("over_channels", x)  # C first: H x W
    by_column = gated("over_rows", x.permute(0, 2, 1, 3)).permute(0, 2, 1, 3)  # H first: C x W
    by_row = gated("over_columns", x.permute(0, 3, 2, 1)).permute(0, 3, 2, 1)  # W first: H x C
    return (by_pixel + by_column + by_row) / 3
