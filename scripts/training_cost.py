"""Training time and memory of yolov5s-p2 with and without EMA at 640 px. Prints docs/training-cost.md.

python scripts/training_cost.py [steps [batch]]. A step is forward, loss, backward and optimizer. Memory is that of a process for each model
alone: the most that was resident (VmHWM, which Linux resets on request) less what was before; on a GPU torch's own peak.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import ultralytics
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel, yaml_model_load

MODELS = ("yolov5s-p2.yaml", "yolov5s-p2-ema.yaml")
IMAGE, BOXES, CLASSES = 640, 60, 10
STEPS, BATCH = (int(number) for number in (*sys.argv[1:3], *("2", "2")[len(sys.argv[1:3]) :]))
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ONE = "YOLO_ATTN_TRAINING_COST"  # the model whose memory this process is to print


class Training:
    """One model in training."""

    def __init__(self, name: str):
        torch.manual_seed(0)
        self.model = DetectionModel({**yaml_model_load(name), "nc": CLASSES}, verbose=False).to(DEVICE).train()
        self.model.args = get_cfg()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        boxes = {
            "cls": torch.randint(CLASSES, (BATCH * BOXES, 1)).float(),
            "bboxes": 0.1 + 0.05 * torch.rand(BATCH * BOXES, 4),
        }
        index = torch.arange(BATCH).repeat_interleave(BOXES).float()
        batch = {"img": torch.rand(BATCH, 3, IMAGE, IMAGE), "batch_idx": index, **boxes}
        self.batch = {key: value.to(DEVICE) for key, value in batch.items()}

    def step(self) -> float:
        """Seconds per image."""
        start = time.perf_counter()
        self.model(self.batch)[0].sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / BATCH


def resident(field: str) -> float:
    """MiB of this process, VmRSS now or VmHWM at its highest."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def memory(name: str) -> float:
    training = Training(name)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before = resident("VmRSS")
    training.step(), training.step()  # in the second there is an optimizer state
    return torch.cuda.max_memory_allocated() / 2**20 if DEVICE.type == "cuda" else resident("VmHWM") - before


if ONE in os.environ:
    print(memory(os.environ[ONE]))
    sys.exit()
commit = subprocess.getoutput("git rev-parse --short --verify -q HEAD") or "uncommitted"
run = [sys.executable, *sys.argv]
peaks = [float(subprocess.check_output(run, env={**os.environ, ONE: name}, text=True).split()[-1]) for name in MODELS]
trainings = [Training(name) for name in MODELS]
rounds = [[training.step() for training in trainings] for _ in range(STEPS + 1)][1:]  # the first warms up
times = [statistics.median(column) for column in zip(*rounds, strict=True)]
where = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
print(f"""# What training the P2 model costs

`{" ".join(["python", *sys.argv])}`, commit {commit}, torch {torch.__version__}, Ultralytics {ultralytics.__version__}, {where},
load {os.getloadavg()[0]:.1f} (a shared machine). Batch {BATCH} of {IMAGE} x {IMAGE} px, float32, {BOXES} boxes per image; time is the
median of {STEPS} steps, the models taking turns; memory the peak above what is resident before the first of two steps.

| model | peak memory, MiB | time per image, s |
|---|---|---|""")
for name, peak, seconds in zip(MODELS, peaks, times, strict=True):
    print(f"| {name.removesuffix('.yaml')} | {peak:,.0f} | {seconds:.2f} |")
print(f"| ratio | {peaks[1] / peaks[0]:.2f} | {statistics.median(second / first for first, second in rounds):.2f} |")
