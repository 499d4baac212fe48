"""The number of threads of torch, which Ultralytics sets by the number of cores."""

import torch
from ultralytics.utils import torch_utils


def use_threads(threads: int) -> None:
    """Let torch compute with `threads` threads in this process, also after Ultralytics has chosen the CPU as device.

    `select_device` sets `NUM_THREADS`, all cores but one and at most eight. Sums in another order differ in their last bits, so
    the same training on a machine of other cores would give other scores.
    """
    torch.set_num_threads(threads)
    torch_utils.NUM_THREADS = threads


def usual_threads() -> int:
    """Return the number of threads that Ultralytics takes on a CPU of this machine."""
    return torch_utils.NUM_THREADS
