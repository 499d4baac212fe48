"""BAM from section 3 of its paper: a sum over shifted windows for each convolution; the scores multiplied if asked."""

import torch

from tests.reference.batch_norm import batch_norm


def convolved(x, weight, bias, dilation):
    """The convolution with zeros outside, as a sum over the taps of the kernel."""
    height, width = x.shape[2:]
    reach = weight.shape[-1] // 2 * dilation
    padded = x.new_zeros(*x.shape[:2], height + 2 * reach, width + 2 * reach)
    padded[:, :, reach : reach + height, reach : reach + width] = x
    out = bias[:, None, None]
    for row in range(weight.shape[-1]):
        for column in range(weight.shape[-1]):
            top, left = row * dilation, column * dilation
            window = padded[:, :, top : top + height, left : left + width]
            out = out + torch.einsum("oi,bihw->bohw", weight[:, :, row, column], window)
    return out


def bam(x, state, authors_code=False, dilation=4):
    """BAM of x with the parameters in state."""

    def rectified(name, hidden):
        hidden = batch_norm(hidden, state, name)
        return hidden * (hidden > 0)

    pooled = x.sum((2, 3)) / (x.shape[2] * x.shape[3])
    hidden = rectified("norm", pooled @ state["squeeze.weight"].T + state["squeeze.bias"])
    by_channel = (hidden @ state["expand.weight"].T + state["expand.bias"])[:, :, None, None]
    by_pixel = x
    for index in (0, 3, 6, 9):
        by_pixel = convolved(by_pixel, state[f"pixels.{index}.weight"], state[f"pixels.{index}.bias"], dilation)
        by_pixel = rectified(f"pixels.{index + 1}", by_pixel) if index < 9 else by_pixel
    score = by_channel * by_pixel if authors_code else by_channel + by_pixel
    return x * (1 + 1 / (1 + torch.exp(-score)))
