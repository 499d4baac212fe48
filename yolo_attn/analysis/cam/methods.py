"""Grad-CAM and EigenCAM by the library grad-cam, before it cuts off what is negative and scales the rest to 0..1.

Scaled so, the map of a layer in which nothing differs would look like any other. The library: https://github.com/jacobgil/pytorch-grad-cam.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from yolo_attn.analysis.cam.scoring import ScoringNetwork
from yolo_attn.analysis.cam.target import Target

METHODS = ("gradcam", "eigencam")


def activation_map(
    method: str, network: ScoringNetwork, layer: nn.Module, images: torch.Tensor, target: Target
) -> np.ndarray:
    """One image (1, 3, H, W) -> the map of a layer (h, w); the higher, the more the score rests on the cell.

    Grad-CAM (Selvaraju et al., ICCV 2017, https://arxiv.org/abs/1610.02391, equations 1 and 2, without the ReLU): the channels, each
    weighed by the mean of its gradient over the cells, summed. EigenCAM (Muhammad and Yeasin, IJCNN 2020,
    https://arxiv.org/abs/2008.00299): the first principal component of the channels, which asks for no target.

    Raises:
        ImportError: grad-cam is not installed; the message says how to get it.
    """
    camera = _camera(method, network, layer)
    try:
        with torch.enable_grad():
            camera(images, [target])
        return camera.unscaled[0]
    finally:
        camera.activations_and_grads.release()


def _camera(method: str, network: nn.Module, layer: nn.Module) -> Any:
    try:
        from pytorch_grad_cam import EigenCAM, GradCAM
    except ModuleNotFoundError as error:
        raise ImportError("cam: grad-cam is not installed; run `pip install 'yolo-attn[cam]'`") from error

    class KeepingGradCAM(GradCAM):
        """Keeps the map before it is scaled."""

        def get_cam_image(self, *arguments: Any, **options: Any) -> np.ndarray:
            self.unscaled = super().get_cam_image(*arguments, **options)
            return self.unscaled

    class SignedEigenCAM(EigenCAM):
        """EigenCAM with one sign, and without a square matrix of all cells, which needs gigabytes for a P2 map."""

        def get_cam_image(
            self, images: Any, layer: Any, targets: Any, activations: np.ndarray, *others: Any
        ) -> np.ndarray:
            self.unscaled = np.stack([first_component(one) for one in activations])
            return self.unscaled

    return {"gradcam": KeepingGradCAM, "eigencam": SignedEigenCAM}[method](network, [layer])


def first_component(activations: np.ndarray) -> np.ndarray:
    """Feature map (C, h, w) -> its first principal component over the cells (h, w).

    A component has no sign of its own; the one is taken with which it rises where the feature map is strong.
    """
    cells = activations.reshape(len(activations), -1).T.astype(np.float64)
    strength = np.linalg.norm(cells, axis=1)
    cells = cells - cells.mean(0)
    _, vectors = np.linalg.eigh(cells.T @ cells)  # by rising eigenvalue
    component = cells @ vectors[:, -1]
    sign = -1 if component @ (strength - strength.mean()) < 0 else 1
    return (sign * component).reshape(activations.shape[1:])
