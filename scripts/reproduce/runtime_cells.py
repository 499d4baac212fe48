"""One cell of the matrix of runtimes: a model with a layer, or a file of cfg/, exported, run and compared with torch.

A format is one of Ultralytics', one of `VARIANTS` of ONNX, or an exporter of torch's own in `BY_TORCH`.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch
from ultralytics import YOLO
from ultralytics.nn.tasks import BaseModel

from scripts import results
from scripts.reproduce.parity import randomise_weights
from yolo_attn.deploy.outputs import tensors
from yolo_attn.deploy.parity import FLOAT, HALF, compare, random_images, shapes_for, strength
from yolo_attn.deploy.runtimes import Run, opened
from yolo_attn.layers import LAYERS, is_multi_source

HEIGHT, WIDTH = 96, 64
RUNS = 11  # timed
WITHOUT = "no attention"
VARIANTS = {
    "onnx-dynamic": {"format": "onnx", "dynamic": True},
    "onnx-half": {"format": "onnx", "quantize": 16},
}
PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"  # downloaded otherwise; INT8 alone depends on what they show
CONVERTED_ONLY = ("coreml", "rknn")  # run on macOS and on Rockchip's processors alone


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


def files() -> list[str]:
    """Name the model YAMLs of cfg/."""
    return sorted(path.stem for path in (results.ROOT / "cfg").glob("*.yaml"))


def model(name: str) -> YOLO:
    """Build the small detector with a layer, or a model of cfg/ at scale n, with drawn weights."""
    torch.manual_seed(0)
    if name == WITHOUT or name in LAYERS:
        Path("model.yaml").write_text(model_yaml(name), encoding="utf-8")
        yolo = YOLO("model.yaml", task="detect")
    else:
        family, dash, variant = name.partition("-")
        yolo = YOLO(f"{family}n{dash}{variant}.yaml" if family.startswith("yolo") else f"{name}.yaml")
    randomise_weights(yolo.model)
    yolo.model.eval()
    return yolo


def by_torch_export(network: BaseModel, images: torch.Tensor) -> Run:
    program = torch.export.export(network, (images,)).module()
    return lambda images: [output.numpy() for output in tensors(program(images))[:1]]


def by_dynamo(network: BaseModel, images: torch.Tensor) -> Run:
    torch.onnx.export(network, (images,), "model.onnx", dynamo=True, verbose=False)
    run = opened("model.onnx", threads=1)
    return lambda images: run(images)[:1]


BY_TORCH: dict[str, Callable[[BaseModel, torch.Tensor], Run]] = {
    "torch.export": by_torch_export,
    "onnx-dynamo": by_dynamo,
}


def cell(format: str, name: str) -> tuple[str, float | None, float | None]:
    """("right", "wrong" or "converts", largest difference as a share of what is allowed, ms an image on one thread)."""
    yolo, shape = model(name), (1, 3, HEIGHT, WIDTH)
    options = VARIANTS.get(format, {"format": format})
    half, dynamic = "quantize" in options, "dynamic" in options
    factor = 1.0 if half else strength(yolo.model, shape)  # halves end at 65,504
    with torch.no_grad(), one_core():
        if format in BY_TORCH:
            run = BY_TORCH[format](yolo.model, random_images(shape) * factor)
        else:
            if format == "saved_model" and not Path(PICTURES).exists():
                np.save(PICTURES, np.random.default_rng(0).random((20, 128, 128, 3), np.float32))
            file = Path(yolo.export(imgsz=[HEIGHT, WIDTH], **options))
            if format in CONVERTED_ONLY:
                return "converts", None, None
            run = opened(file, threads=1)
        about = {"imgsz": (HEIGHT, WIDTH), "stride": int(yolo.model.stride.max())}
        worst = max(
            difference.share
            for size in shapes_for(about, dynamic)
            for difference in compare(yolo.model, run, random_images(size) * factor, HALF if half else FLOAT)
        )
        return "right" if worst <= 1 else "wrong", worst, milliseconds(run, random_images(shape))


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on one core, where the system allows it: most backends of Ultralytics take no number of threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[os.getpid() % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def milliseconds(run: Run, images: torch.Tensor) -> float:
    """Return the median of some runs."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run(images)
        times.append(time.perf_counter() - start)
    return median(times) * 1e3
