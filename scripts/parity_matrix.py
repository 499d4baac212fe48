"""Every file of cfg/ at scale n through the stock exports, against torch. Prints docs/parity.md.

python scripts/parity_matrix.py [part of a name ...]
"""

import math
import os
import sys
import tempfile
from pathlib import Path

import torch
from measuring import command, commit, processor
from torch import nn
from ultralytics import YOLO
from ultralytics.utils import LOGGER

from yolo_attn.deploy.export import compare, metadata, shapes_for, versions
from yolo_attn.deploy.parity import TOLERANCE, ParityError, random_images

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


def awaken(model: nn.Module) -> None:
    """Give a new model outputs that depend on its input, as a trained one's do, with no layer left at its start of zero or one.

    Weights as torch draws them let the maps fade from row to row, until all scores are equal.
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
        model.train()(random_images((8, 3, SIZE, SIZE)))  # the norms learn the statistics of their maps
        for branch in getattr(model.model[-1], "cv3", ()):  # scores: the last convolution's biases start near -10
            branch[-1].bias.copy_(torch.randn(branch[-1].bias.shape, generator=state) - 2)
    for norm in norms:
        norm.momentum = 0.03
    model.eval()


def cell(cfg: Path, arguments: dict) -> str:
    family, dash, variant = cfg.name.partition("-")
    yolo = YOLO(f"{family}n{dash}{variant}" if family.startswith("yolo") else str(cfg))
    awaken(yolo.model)
    try:
        file = Path(yolo.export(imgsz=SIZE, **arguments))
        tolerance = math.inf if "quantize" in arguments else TOLERANCE
        shapes = shapes_for(metadata(file), arguments.get("dynamic", False))
        return f"{max(entry.worst for entry in compare(yolo.model, file, tolerance, shapes)):.0e}"
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

Largest difference of the raw outputs as a share of the largest value, boxes and scores each with their own scale, the worse of
the two. Every file of cfg/ at scale n with awakened weights (see the script), exported at {SIZE} x {SIZE} by the stock API with its default
opset, then run on random images: a fixed file at that size, a dynamic one also on one image of 96 x 256, on three of them, and on three
of 256 x 96. "differs" is more than {TOLERANCE:.0e}; for halves, whose own rounding is 5e-4 and is multiplied by every row, no limit is set.

| | {" | ".join(COLUMNS)} |
|---|{"---|" * len(COLUMNS)}""")
    for cfg in sorted((ROOT / "cfg").glob("*.yaml")):
        if not sys.argv[1:] or any(part in cfg.name for part in sys.argv[1:]):
            print(f"| {cfg.stem} | {' | '.join(cell(cfg, arguments) for arguments in COLUMNS.values())} |", flush=True)


if __name__ == "__main__":
    main()
