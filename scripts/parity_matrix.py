"""Every file of cfg/ at scale n through the stock exports, against torch. Prints docs/parity.md.

python scripts/parity_matrix.py [part of a name ...]
"""

import os
import sys
import tempfile
from pathlib import Path

import torch
from measuring import command, commit, processor
from torch import nn
from ultralytics import YOLO
from ultralytics.utils import LOGGER

from yolo_attn.deploy.export import compare, metadata, shapes_for
from yolo_attn.deploy.note import versions
from yolo_attn.deploy.parity import FLOAT, HALF, ParityError, random_images

ROOT = Path(__file__).parents[1]
SIZE = 160
COLUMNS = {
    "ONNX": {"format": "onnx"},
    "ONNX, not simplified": {"format": "onnx", "simplify": False},
    "ONNX dynamic": {"format": "onnx", "dynamic": True},
    "ONNX dynamic, not simplified": {"format": "onnx", "dynamic": True, "simplify": False},
    "ONNX half": {"format": "onnx", "quantize": 16},
    "TorchScript": {"format": "torchscript"},
    "TorchScript dynamic": {"format": "torchscript", "dynamic": True},
    "OpenVINO": {"format": "openvino"},
    "OpenVINO dynamic": {"format": "openvino", "dynamic": True},
}


def randomise_weights(model: nn.Module) -> None:
    """Give a new model outputs that depend on its input, as a trained one's do, with no layer left at its start of zero or one.

    Weights as torch draws them let the feature maps fade from row to row, until all scores are equal.
    """
    state = torch.Generator().manual_seed(0)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1 or parameter.numel() == 1:
                parameter.copy_(1 + 0.3 * torch.randn(parameter.shape, generator=state))
        for norm in norms:
            norm.bias.copy_(0.3 * torch.randn(norm.bias.shape, generator=state))
            norm.momentum = (
                0.994  # at 1 rounding errors grow from row to row, at 0.9 nothing of the image is left at the end
            )
        model.train()(random_images((8, 3, SIZE, SIZE)))  # the norms learn the statistics of their feature maps
        for branch in getattr(model.model[-1], "cv3", ()):  # scores: the last convolution's biases start near -10
            branch[-1].bias.copy_(torch.randn(branch[-1].bias.shape, generator=state) - 2)
    for norm in norms:
        norm.momentum = 0.03
    model.eval()


def cell(cfg: Path, arguments: dict, randomised: bool) -> str:
    family, dash, variant = cfg.name.partition("-")
    torch.manual_seed(0)
    yolo = YOLO(f"{family}n{dash}{variant}" if family.startswith("yolo") else str(cfg))
    if randomised:
        randomise_weights(yolo.model)
    try:
        file = Path(yolo.export(imgsz=SIZE, **arguments))
        tolerance = HALF if "quantize" in arguments else FLOAT
        shapes = shapes_for(metadata(file), arguments.get("dynamic", False))
        comparisons = compare(yolo.model, file, tolerance, shapes)
        return f"{max(comparison.worst.share for comparison in comparisons):.2f}"
    except ParityError as error:
        print(f"{cfg.name} {arguments}: {error}", file=sys.stderr)
        return "differs"


def main() -> None:
    os.chdir(tempfile.mkdtemp())
    torch.set_num_threads(1)
    LOGGER.setLevel("ERROR")  # it writes to standard output
    print(f"""# Exported files against torch

`{command()}`, commit {commit()}, {processor()};
{", ".join(f"{name} {number}" for name, number in versions().items())}.

The difference from torch that uses up most of what is allowed, as a share of that; above 1.00 a file is refused ("differs").
Allowed are {FLOAT.pixels} px for boxes, {FLOAT.probability:.0e} + {FLOAT.logit:.0e} p (1 - p) for a score p, and
{FLOAT.relative:.0e} of the largest value for other outputs; in half precision {HALF.pixels} px,
{HALF.probability:.0e} + {HALF.logit:.1f} p (1 - p) and {HALF.relative:.0e}. Every file of cfg/ at scale n, as it comes out of its
YAML and with random weights in every layer (see the script), exported at {SIZE} x {SIZE} by the stock API with its default opset, then
run on random images: a fixed file at that size, a dynamic one also on one image of 96 x 256, on three of them, and on three of 256 x 96.

| | {" | ".join(COLUMNS)} |
|---|{"---|" * len(COLUMNS)}""")
    for cfg in sorted((ROOT / "cfg").glob("*.yaml")):
        if not sys.argv[1:] or any(part in cfg.name for part in sys.argv[1:]):
            for weights in ("from the YAML", "random weights"):
                cells = [cell(cfg, arguments, weights == "random weights") for arguments in COLUMNS.values()]
                print(f"| {cfg.stem}, {weights} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
