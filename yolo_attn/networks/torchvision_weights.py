"""torchvision's pretrained weights for the networks of this package, which use its names."""

from collections.abc import Mapping

import torch
from torch import nn


def load_torchvision_weights(network: nn.Module, state: Mapping[str, torch.Tensor]) -> float:
    """Load every weight of a torchvision network that fits a parameter of the same name.

    Args:
        network: A ResNet or MobileNetV2 of this package, of the same depth: `YOLO("resnet50-ema-cls.yaml").model.model[0]`.
        state: State dict of torchvision's: `torchvision.models.resnet50(weights="DEFAULT").state_dict()`.

    Returns:
        The share of the network's parameters that were loaded, 0 to 1.

    Raises:
        ValueError: None was.
    """
    own = network.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    sizes = {key: parameter.numel() for key, parameter in network.named_parameters()}
    share = sum(size for key, size in sizes.items() if key in fitting) / sum(sizes.values())
    if not share:
        raise ValueError(f"none of the {len(state)} tensors fits {type(network).__name__}: is it of another family?")
    network.load_state_dict(fitting, strict=False)
    return share
