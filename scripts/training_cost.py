"""Training time and memory of yolov5s-p2 with and without EMA at 640 px. Prints docs/training-cost.md.

python scripts/training_cost.py [steps]. A step is forward, loss, backward and optimizer. Memory is that of a process for each model
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
from measuring import CUDA, DEVICE, command, commit
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel, yaml_model_load

MODELS = ("yolov5s-p2.yaml", "yolov5s-p2-ema.yaml")
SIDE, BOXES, CLASSES = 640, 60, 10
BATCH, STEPS = 2, int(sys.argv[1]) if len(sys.argv) > 1 else 2
# On a CPU the waits of a shared machine do not count.
CLOCK, UNIT = (time.perf_counter, "GPU") if CUDA else (time.process_time, "CPU")
ONE = "YOLO_ATTN_TRAINING_COST"  # the model whose memory this process is to print


class Training:
    """One model in training."""

    def __init__(self, name: str):
        torch.manual_seed(0)
        self.model = DetectionModel({**yaml_model_load(name), "nc": CLASSES}, verbose=False).to(DEVICE).train()
        self.model.args = get_cfg()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        boxes = {"cls": torch.randint(CLASSES, (BATCH * BOXES, 1)), "bboxes": torch.rand(BATCH * BOXES, 4) / 10}
        boxes |= {"batch_idx": torch.arange(BATCH).repeat_interleave(BOXES), "img": torch.rand(BATCH, 3, SIDE, SIDE)}
        self.batch = {key: value.float().to(DEVICE) for key, value in boxes.items()}

    def step(self) -> float:
        """Seconds per image; on a CPU those in which the process was running."""
        start = CLOCK()
        self.model(self.batch)[0].sum().backward()
        _ = self.optimizer.step(), self.optimizer.zero_grad()
        _ = CUDA and torch.cuda.synchronize()
        return (CLOCK() - start) / BATCH


def resident(field: str) -> float:
    """MiB of this process, VmRSS now or VmHWM at its highest."""
    return int(Path("/proc/self/status").read_text().partition(f"{field}:")[2].split()[0]) / 1024


def memory(name: str) -> float:
    training = Training(name)
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before = resident("VmRSS")
    _ = training.step(), training.step()  # in the second there is an optimizer state
    return torch.cuda.max_memory_allocated() / 2**20 if CUDA else resident("VmHWM") - before


torch.set_num_threads(1)
if ONE in os.environ:
    sys.exit(print(memory(os.environ[ONE])))
again = [sys.executable, *sys.argv]
peaks = [float(subprocess.check_output(again, env={**os.environ, ONE: name}).split()[-1]) for name in MODELS]
trainings = [Training(name) for name in MODELS]
rounds = [[training.step() for training in trainings] for _ in range(STEPS + 1)][1:]  # the first warms up
where = torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} threads"
print(f"""# What training the P2 model costs

`{command()}`, commit {commit()}, torch {torch.__version__}, Ultralytics {ultralytics.__version__}, {where},
load {os.getloadavg()[0]:.1f} (a shared machine). Batch {BATCH} of {SIDE} x {SIDE} px, float32, {BOXES} boxes per image; time is the
median of {STEPS} steps, the models taking turns; memory the peak above what is resident before the first of two steps.

| model | peak memory, MiB | {UNIT} s per image |
|---|---|---|""")
for name, peak, seconds in zip(MODELS, peaks, map(statistics.median, zip(*rounds, strict=True)), strict=True):
    print(f"| {name.removesuffix('.yaml')} | {peak:,.0f} | {seconds:.2f} |")
print(f"| ratio | {peaks[1] / peaks[0]:.2f} | {statistics.median(second / first for first, second in rounds):.2f} |")
