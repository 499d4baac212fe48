"""Every layer in one runtime, against torch: python -m scripts.reproduce.runtimes FORMAT [part of a layer's name ...]

Each layer stands in a small detector, which Ultralytics exports in a process of its own, as converters may end theirs. The packages of
a runtime are often at odds with those of another: install each in its own environment.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from ultralytics import YOLO
from ultralytics.nn.tasks import BaseModel
from ultralytics.utils import LOGGER

from scripts import results
from scripts.reproduce.parity import randomise_weights
from yolo_attn.deploy.outputs import tensors
from yolo_attn.deploy.parity import FLOAT, compare, random_images, strength
from yolo_attn.deploy.runtimes import Run, first_line, opened
from yolo_attn.layers import LAYERS, is_multi_source

HEIGHT, WIDTH = 96, 64
SECONDS = 90  # for a layer, after which a converter is taken to hang
MARK = "cell: "
WITHOUT = "no attention"
PACKAGES: dict[str, tuple[str, ...]] = {
    "onnx-dynamo": ("onnx", "onnxscript", "onnxruntime"),
    "onnx": ("onnx", "onnxslim", "onnxruntime"),
    "openvino": ("openvino",),
    "ncnn": ("ncnn", "pnnx"),
    "mnn": ("MNN",),
    "executorch": ("executorch",),
    "litert": ("litert-torch", "ai-edge-litert"),
    "saved_model": ("onnx2tf", "tensorflow"),
    "coreml": ("coremltools",),
    "paddle": ("paddlepaddle", "x2paddle"),
}
PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"  # downloaded otherwise; INT8 alone depends on what they show
CONVERTED_ONLY = ("coreml",)  # runs on macOS alone


def model_yaml(name: str) -> str:
    """Write a detector with the layer on a map of 128 channels; a layer of several sources reads the map before as well."""
    several = name in LAYERS and is_multi_source(LAYERS[name])
    row = "nn.Identity, []" if name == WITHOUT else f"{name}, []"
    return f"""nc: 3
backbone:
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [{"[-1, 0]" if several else "-1"}, 1, {row}]
  - [-1, 1, Conv, [64, 3, 2]]
head:
  - [[2, 3], 1, Detect, [nc]]
"""


def by_torch_export(network: BaseModel, images: torch.Tensor) -> Run:
    program = torch.export.export(network, (images,)).module()
    return lambda images: [output.numpy() for output in tensors(program(images))[:1]]


def by_dynamo(network: BaseModel, images: torch.Tensor) -> Run:
    torch.onnx.export(network, (images,), "model.onnx", dynamo=True, verbose=False)
    run = opened("model.onnx")
    return lambda images: run(images)[:1]


BY_TORCH: dict[str, Callable[[BaseModel, torch.Tensor], Run]] = {
    "torch.export": by_torch_export,
    "onnx-dynamo": by_dynamo,
}


def cell(format: str, name: str) -> tuple[str, float | None]:
    """("right" or "wrong", largest difference of the scores and boxes as a share of what is allowed)."""
    torch.manual_seed(0)
    Path("model.yaml").write_text(model_yaml(name), encoding="utf-8")
    yolo = YOLO("model.yaml", task="detect")
    randomise_weights(yolo.model)
    network = yolo.model.eval()
    shape = (1, 3, HEIGHT, WIDTH)
    images = random_images(shape) * strength(network, shape)
    with torch.no_grad():
        if format in BY_TORCH:
            run = BY_TORCH[format](network, images)
        else:
            if format == "saved_model" and not Path(PICTURES).exists():
                np.save(PICTURES, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
            file = Path(yolo.export(format=format, imgsz=[HEIGHT, WIDTH]))
            if format in CONVERTED_ONLY:
                return "converts", None
            run = opened(file)
        worst = max(difference.share for difference in compare(network, run, images, FLOAT))
    return "right" if worst <= 1 else "wrong", worst


def cells(format: str, names: Sequence[str]) -> Iterator[tuple[str, str, float | None, str]]:
    """Compute (layer, outcome, share, error) of each layer in a process of its own; what ends it loses one cell, not the rest."""
    names = list(names)
    while names:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "scripts.reproduce.runtimes", format, *names, "--child"]
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(results.ROOT), os.environ.get("PYTHONPATH", "")]),
            }
            with open(Path(folder, "output"), "w+", encoding="utf-8", errors="replace") as output:
                try:
                    done = subprocess.run(
                        command, cwd=folder, env=environment, stdout=output, timeout=SECONDS * len(names)
                    )
                    end = f"the process ended with status {done.returncode}"
                except subprocess.TimeoutExpired:
                    end = f"no end within {SECONDS} s"
                output.seek(0)
                lines = [json.loads(line[len(MARK) :]) for line in output if line.startswith(MARK)]
        yield from map(tuple, lines)
        names = names[len(lines) :]
        if names:
            yield names.pop(0), "fails", None, end


def print_cells(format: str, names: Sequence[str]) -> None:
    """Print each cell as a line of JSON after MARK, as converters print, too."""
    LOGGER.setLevel("ERROR")
    for name in names:
        try:
            line = (name, *cell(format, name), "")
        except Exception as error:  # of a converter or a runtime, which raise anything
            refused = "cannot be exported to" in str(error)  # by `yolo_attn.plugin.export_format`
            line = (name, "refused" if refused else "fails", None, first_line(error))
        print(f"\n{MARK}{json.dumps(line)}", flush=True)


def versions(format: str) -> dict[str, str]:
    found = {}
    for package in ("torch", "ultralytics", *PACKAGES.get(format, ())):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main(
    format: Annotated[str, typer.Argument(help="As Ultralytics calls it, or torch.export or onnx-dynamo.")],
    parts: Annotated[list[str] | None, typer.Argument(help="Parts of the layers' names; by default all.")] = None,
    child: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Save the table of one runtime, or print the rows of some layers."""
    torch.set_num_threads(1)
    if child:
        return print_cells(format, parts or [])
    names = [WITHOUT, *sorted(LAYERS)]
    chosen = [name for name in names if any(part in name for part in parts or [""])]
    rows = list(cells(format, chosen))
    made = results.made(*versions(format))
    columns = ("layer", "outcome", "share of what is allowed", "error")
    note = (
        f"128 channels, images of {HEIGHT} x {WIDTH}, drawn weights; 1 is the largest difference that counts as right."
    )
    if len(chosen) == len(names):
        results.save(f"runtime-{format}", columns, rows, made, note)
    else:
        print(results.Table(columns, tuple(rows), made, note).markdown())


if __name__ == "__main__":
    typer.run(main)
