"""The root of a sum of squares, for EMCA, MCA, SGE, SimAM and SRM."""

import torch


def vector_norm(x: torch.Tensor, dim: int | tuple[int, ...], keepdim: bool = False) -> torch.Tensor:
    """Compute the Euclidean norm over some axes, in float32 or wider: sums of squares overflow in half precision.

    An ONNX graph gets products and a sum. TensorFlow's converter and MNN's take no ONNX norm, and onnxruntime computes
    it more slowly.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    if torch.onnx.is_in_onnx_export():
        x = x.to(wide)
        return (x * x).sum(dim, keepdim).sqrt()
    return torch.linalg.vector_norm(x, dim=dim, keepdim=keepdim, dtype=wide)
