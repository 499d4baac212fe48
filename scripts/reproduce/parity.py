"""Every file of cfg/ at scale n through the stock exports, against torch: python -m scripts.reproduce.parity [part of a name ...]"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import nn
from ultralytics import YOLO
from ultralytics.utils import LOGGER

from scripts import results
from yolo_attn.deploy.outputs import ParityError
from yolo_attn.deploy.parity import FLOAT, HALF, compare_file, metadata, random_images, shapes_for

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
            norm.momentum = 0.994  # at 1 rounding errors grow from row to row, at 0.9 nothing of the image is left
        model.train()(random_images((8, 3, SIZE, SIZE)))  # the norms learn the statistics of their feature maps
        # Of the branches for scores, the last convolution's biases start near -10.
        for branch in getattr(model.model[-1], "cv3", None) or ():
            branch[-1].bias.copy_(torch.randn(branch[-1].bias.shape, generator=state) - 2)
    for norm in norms:
        norm.momentum = 0.03
    model.eval()


def cell(cfg: Path, arguments: dict, randomised: bool) -> str:
    """The largest difference of the exported file as a share of what is allowed."""
    family, dash, variant = cfg.name.partition("-")
    torch.manual_seed(0)
    yolo = YOLO(f"{family}n{dash}{variant}" if family.startswith("yolo") else str(cfg))
    if randomised:
        randomise_weights(yolo.model)
    try:
        file = Path(yolo.export(imgsz=SIZE, **arguments))
        tolerance = HALF if "quantize" in arguments else FLOAT
        shapes = shapes_for(metadata(file), arguments.get("dynamic", False))
        comparisons = compare_file(yolo.model, file, tolerance, shapes)
        return f"{max(comparison.worst.share for comparison in comparisons):.2f}"
    except ParityError as error:
        print(f"{cfg.name} {arguments}: {error}", file=sys.stderr)
        return "differs"


def main(
    parts: Annotated[list[str] | None, typer.Argument(help="Parts of the files' names; by default all.")] = None,
) -> None:
    """Save the table of all files of cfg/, or print the rows of some. A cell is the largest share of what is allowed."""
    os.chdir(tempfile.mkdtemp())
    torch.set_num_threads(1)
    LOGGER.setLevel("ERROR")  # it writes to standard output
    files = sorted((results.ROOT / "cfg").glob("*.yaml"))
    chosen = [cfg for cfg in files if any(part in cfg.name for part in parts or [""])]
    columns = ("model", "weights", *COLUMNS)
    rows = [
        (cfg.stem, weights, *(cell(cfg, arguments, weights == "random") for arguments in COLUMNS.values()))
        for cfg in chosen
        for weights in ("from the YAML", "random")
    ]
    made = results.made("torch", "ultralytics", "onnx", "onnxruntime", "onnxslim", "openvino")
    if len(chosen) == len(files):
        results.save("parity", columns, rows, made)
    else:
        print(results.Table(columns, tuple(rows), made).markdown())


if __name__ == "__main__":
    typer.run(main)
