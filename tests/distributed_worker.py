"""One of two processes of tests/test_distributed.py: a training step of a model under DistributedDataParallel, gloo, CPU."""

import os
import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from ultralytics import YOLO
from ultralytics.cfg import get_cfg

dist.init_process_group("gloo")
rank = dist.get_rank()


def gradients(images: torch.Tensor, parallel: bool) -> list[torch.Tensor]:
    """Gradients of the attention layer for one step from the same start; batch statistics are frozen to make steps comparable."""
    torch.manual_seed(0)
    model = YOLO(sys.argv[1]).model
    model.args = get_cfg()
    layer = next(module for module in model.modules() if type(module).__module__ == "yolo_attn.layers.ema")
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    boxes = {
        "batch_idx": torch.arange(len(images)).float(),
        "cls": torch.zeros(len(images), 1),
        "bboxes": torch.full((len(images), 4), 0.5),
    }
    network = DistributedDataParallel(model, find_unused_parameters=True) if parallel else model
    loss = network({"img": images, **boxes})[0].sum()
    loss.backward()
    return [parameter.grad for parameter in layer.parameters()]


batches = [torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
reduced = gradients(batches[rank], parallel=True)
alone = [gradients(batch, parallel=False) for batch in batches]
for mine, *locals_ in zip(reduced, *alone, strict=True):
    other = [torch.empty_like(mine) for _ in range(2)]
    dist.all_gather(other, mine)
    torch.testing.assert_close(other[0], other[1], rtol=0, atol=0)
    torch.testing.assert_close(mine, sum(locals_) / 2, rtol=1e-4, atol=1e-6 + 1e-4 * mine.abs().max().item())
    assert mine.abs().max() > 0 or mine.numel() == 0
print(f"rank {rank}: {len(reduced)} gradients agree", flush=True)
dist.barrier()
os._exit(0)  # what was to be shown is shown; now and then torch aborts while it takes its threads down
