"""How much of a network with attention torchvision's weights fill: python -m scripts.reproduce.network_weights

Random weights under torchvision's names stand in for the pretrained ones: what is carried follows from names and shapes alone.
"""

import torch
from torchvision import models as stock

from scripts import results
from yolo_attn import networks
from yolo_attn.networks.torchvision_weights import load_torchvision_weights

CASES = [
    ("ResNet", stock.resnet50, (50,)),
    *[("ResNet", stock.resnet50, (50, layer)) for layer in ("SE", "ECA", "SA", "CBAM", "CA", "EMA(32)", "GAM")],
    ("ResNet", stock.resnet50, (50, "EMCA", "first")),
    ("ResNet", stock.resnet50, (50, "EPSA", "conv")),
    ("ResNet", stock.resnet50, (50, "DMSA", "conv")),
    ("MobileNetV2", stock.mobilenet_v2, ("SE",)),
]


def main() -> None:
    """Save the table."""
    rows = []
    for name, torchvision, arguments in CASES:
        torch.manual_seed(0)
        share = load_torchvision_weights(networks.load(name)(3, *arguments), torchvision().state_dict())
        rows.append((f"`[-1, 1, {name}, [{', '.join(map(str, arguments))}]]`", f"{share:.2%}"))
    columns = ("row", "share of the network's parameters carried")
    results.save("network-weights", columns, rows, results.made("torch", "torchvision"))


if __name__ == "__main__":
    main()
