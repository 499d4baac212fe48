"""Parameters by the rules of the papers' tables, and multiply-adds as the papers' counters see them."""

import torch
from torch import nn

from yolo_attn.layers import LAYERS

ALL = "all"
NO_NORMS = "no norms"
LEAVES = "leaf modules"
TRAINED = "trained"
RULES = {  # rule: what it counts
    ALL: "every parameter",
    NO_NORMS: "convolutions and linear layers, not the weights and biases of normalisations",
    LEAVES: "what a counter with hooks on the modules sees: not the bare parameters of a module that has children",
    TRAINED: "what a detector trains whose backbone starts pretrained: not the stem and the first stage, which are frozen",
}
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


def parameters(network: nn.Module, rule: str = ALL) -> int:
    """Number of parameters by one of the rules."""
    return sum(
        parameter.numel()
        for module in network.modules()
        if not (rule == NO_NORMS and isinstance(module, NORMS)) and not (rule == LEAVES and any(module.children()))
        for parameter in module.parameters(recurse=False)
        if not (rule == TRAINED and not parameter.requires_grad)
    )


def multiply_adds(network: nn.Module, image: torch.Tensor) -> int:
    """Multiply-adds of one pass as the papers' counters see them: modules of three kinds, nothing else.

    Convolutions and linear layers by their formula, normalisations 2 per value. Of EMA, whose groups are images of a batch, the two
    convolutions of its definition for one group: that is what was published, and the layer here runs neither. A transposed convolution
    counts its whole kernel for each output, as published for Mask R-CNN; with kernel and stride 2 that is four times its work.
    """
    total, grouped, cbam = 0, (LAYERS["EMA"], LAYERS["EMANoCross"]), LAYERS["CBAM"]

    def count(module, inputs, output):
        nonlocal total
        x = inputs[0]
        if isinstance(module, grouped):
            height, width = x.shape[2:]
            total += module.conv1x1.weight.numel() * (height + width) + module.conv3x3.weight.numel() * height * width
        elif isinstance(module, cbam):  # runs its two linear layers as functions, on the means and on the maxima
            total += 2 * len(x) * (module.squeeze.weight.numel() + module.expand.weight.numel())
        elif isinstance(module, nn.modules.conv._ConvNd):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        elif isinstance(module, NORMS):
            total += 2 * x.numel()

    inside = {child for module in network.modules() if isinstance(module, grouped) for child in module.children()}
    hooks = [module.register_forward_hook(count) for module in network.modules() if module not in inside]
    norms = [module for module in network.modules() if isinstance(module, NORMS)]
    for norm in norms:
        # The same shape; on the meta device half of the time goes into norms.
        norm.forward = torch.nn.Identity().forward
    try:
        with torch.no_grad():
            network(image)
    finally:
        for hook in hooks:
            hook.remove()
        for norm in norms:
            del norm.forward
    return total
