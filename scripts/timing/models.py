"""Each file of cfg/ against the same model without attention, and what training a P2 model costs.

python -m scripts.timing.models latency [--rounds 15] [--compiled yolov5s-ema,...]
python -m scripts.timing.models training [--steps 4]
"""

import copy
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel, yaml_model_load
from ultralytics.utils import LOGGER

from scripts import results
from scripts.timing.forms import compiled, forward, forward_backward, session
from scripts.timing.timer import CUDA, DEVICE, interleaved, milliseconds, peak, ratio, spread
from yolo_attn.model_yaml.edit import strip

IMAGE = {"classify": 224, "detect": 640}
ATTENTION_ARGUMENT = re.compile(r"(ResNet, \[\d+), [^\]]*\]")  # a network's attention is an argument, not a row
TRAINED = ("yolov5s-p2.yaml", "yolov5s-p2-ema.yaml")
BOXES, CLASSES, BATCH = 60, 10, 2  # of the training step

app = typer.Typer(no_args_is_help=True)


@app.command()
def latency(
    rounds: Annotated[int, typer.Option(help="Turns of each model.")] = 15,
    compiled: Annotated[str, typer.Option(help="Models measured in torch.compile too, by name with scale.")] = "",
) -> None:
    """Milliseconds of one image, each with its ratio to the same model without attention; peak memory of a training step."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    LOGGER.setLevel("ERROR")
    folder = Path(tempfile.mkdtemp())
    os.chdir(folder)  # exports land beside their YAML or here
    rows = []
    for family in families(folder):
        rows += family_rows(family, rounds, compiled.split(","))
    columns = ("model", "eager", "forward + backward", "peak, MiB", "compiled", "onnxruntime")
    note = f"640 px for detectors, 224 px for classifiers, batch 1, float32, one thread; {rounds} rounds; milliseconds."
    results.save("models-latency", columns, rows, results.made("torch", "onnxruntime", "ultralytics"), note)


def families(folder: Path) -> list[dict[str, Path]]:
    """{name: file} of the models of cfg/, at scale s, that are the same without attention; the one without is the first."""
    grouped: dict[str, dict[str, Path]] = {}
    for cfg in sorted((results.ROOT / "cfg").glob("*.yaml")):
        text = cfg.read_text(encoding="utf-8")
        bare = ATTENTION_ARGUMENT.sub(r"\1]", strip(text))
        name = re.sub(r"^(yolo[v]?\d+)", r"\1s", cfg.stem)
        base = folder / f"{re.sub(r'-(ema|emca|eca|cbam|ca|sa)', '', name)}.yaml"
        base.write_text(bare, encoding="utf-8")
        family = grouped.setdefault(re.sub(r"\s*#.*", "", bare), {base.stem: base})
        if text != bare:
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
            family[name] = folder / f"{name}.yaml"
    return list(grouped.values())


def family_rows(family: dict[str, Path], rounds: int, compiled_models: list[str]) -> list[tuple]:
    """A row for each model of a family."""
    torch.compiler.reset()  # it compiles a class only so many times
    models = {name: YOLO(str(file)) for name, file in family.items()}
    side = IMAGE[next(iter(models.values())).task]
    x = torch.rand(1, 3, side, side, device=DEVICE)
    networks = {name: model.model.to(DEVICE).train().requires_grad_() for name, model in models.items()}
    training = {name: forward_backward(network, x) for name, network in networks.items()}
    peaks = {name: peak(call) / 2**20 for name, call in training.items()}
    backward = interleaved(training, rounds)
    fused = {name: copy.deepcopy(network).eval().fuse(verbose=False) for name, network in networks.items()}
    eager = interleaved({name: forward(network, x) for name, network in fused.items()}, rounds)
    calls = {name: compiled(network, x) for name, network in fused.items() if set(family) & set(compiled_models)}
    in_compile = interleaved(calls, rounds)
    runtime = interleaved({name: onnx_call(model, x) for name, model in models.items()}, rounds)
    base, rows = next(iter(family)), []
    for name in family:
        ways = (eager, backward, in_compile, runtime)
        cells: list = [spread(times[name], times[base]) if times else None for times in ways]
        cells.insert(2, f"{peaks[name]:,.0f}, {peaks[name] / peaks[base]:.2f}")
        rows.append((name, *cells))
    return rows


def onnx_call(model: YOLO, x: torch.Tensor) -> Callable[[], list]:
    """A run of the stock ONNX export, as a call without arguments."""
    running = session(str(model.export(format="onnx", imgsz=x.shape[2], verbose=False)))
    values = {running.get_inputs()[0].name: x.cpu().numpy().astype(np.float32)}
    return lambda: running.run(None, values)


class Training:
    """One model in training: a step is forward, loss, backward and optimizer."""

    def __init__(self, name: str):
        torch.manual_seed(0)
        self.model = DetectionModel({**yaml_model_load(name), "nc": CLASSES}, verbose=False).to(DEVICE).train()
        self.model.args = get_cfg()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        boxes = {"cls": torch.randint(CLASSES, (BATCH * BOXES, 1)), "bboxes": torch.rand(BATCH * BOXES, 4) / 10}
        boxes |= {"batch_idx": torch.arange(BATCH).repeat_interleave(BOXES), "img": torch.rand(BATCH, 3, 640, 640)}
        self.batch = {key: value.float().to(DEVICE) for key, value in boxes.items()}

    def step(self) -> None:
        self.model(self.batch)[0].sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


@app.command()
def training(
    steps: Annotated[int, typer.Option(help="Steps of each model.")] = 4,
) -> None:
    """Time of a training step and peak memory, the second model against the first."""
    torch.set_num_threads(1)
    calls = {name: Training(name).step for name in TRAINED}
    times = interleaved(calls, steps, lambda call: milliseconds(call) / BATCH / 1e3)
    rows = []
    for name in TRAINED:
        measure = [sys.executable, "-m", "scripts.timing.models", "memory", name]
        mib = float(subprocess.check_output(measure).split()[-1])
        rows.append(
            (name.removesuffix(".yaml"), round(mib), spread(times[name]), ratio(times[name], times[TRAINED[0]]))
        )
    columns = ("model", "peak memory, MiB", "s per image", "time / first")
    note = f"Batch {BATCH} of 640 x 640 px, float32, {BOXES} boxes per image; {steps} steps of each, in turns."
    results.save("training-cost", columns, rows, results.made("torch", "ultralytics"), note)


@app.command(hidden=True)
def memory(name: str) -> None:
    """Print the MiB that two training steps of one model take at most, beyond what was resident before."""
    torch.set_num_threads(1)
    run = Training(name)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before = resident("VmRSS")
    run.step()
    run.step()  # now there is an optimizer state
    print(torch.cuda.max_memory_allocated() / 2**20 if CUDA else resident("VmHWM") - before)


def resident(field: str) -> float:
    """MiB of this process, VmRSS now or VmHWM at its highest."""
    return int(Path("/proc/self/status").read_text().partition(f"{field}:")[2].split()[0]) / 1024


if __name__ == "__main__":
    app()
