"""Two processes of torch.distributed.run know the layers and average their gradients."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("model", [pytest.param("yolov5n-ema.yaml", marks=pytest.mark.slow), "yolov5n-ema-inside.yaml"])
def test_two_processes_agree_on_the_gradients_of_an_attention_layer(model, tmp_path):
    worker = Path(__file__).with_name("distributed_worker.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(worker), model]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rank 0: 6 gradients agree" in done.stdout
    assert "rank 1: 6 gradients agree" in done.stdout
