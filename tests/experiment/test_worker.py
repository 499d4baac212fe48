"""Processes of a benchmark end together, on every platform, and its folder is free only then."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.experiment.runs import finished_run
from yolo_attn.storage import folder_lock

# A worker like the real one, up to what it does: it starts a process and waits.
WAITING = """
import os, subprocess, sys, time
from pathlib import Path
from yolo_attn.experiment.worker import start

def wait(folder):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "partial").write_text(f"{os.getpid()} {child.pid}")
    os.replace(folder / "partial", folder / "pids")
    time.sleep(600)

start(Path(sys.argv[1]), wait)
"""
FINISHING = f"""
import sys
from pathlib import Path
from yolo_attn.experiment.worker import start
start(Path(sys.argv[1]), lambda folder: (folder / "record.json").write_text({finished_run("a", 0).to_json()!r}))
"""
WITHOUT_UNIX = """
import os, sys
sys.modules["fcntl"] = None
for name in ("fork", "forkpty", "killpg", "getppid", "setsid", "pread", "pwrite", "ftruncate"):
    if hasattr(os, name):
        delattr(os, name)
"""
DRIVER = """
import sys
from pathlib import Path
from yolo_attn.experiment import launch, runner
from yolo_attn.experiment.plan import Experiment
launch.WORKER = (sys.executable, sys.argv[1])
experiment = Experiment(models=[sys.argv[2]], data=sys.argv[3], seeds=[0], epochs=1, out=Path(sys.argv[4]), training={})
print(len(runner.run(experiment, print).runs), "finished")
"""


def driver(tmp_path: Path, data: Path, worker: str, before: str = "") -> list[str]:
    """The command of a benchmark of one run, whose worker is the given program."""
    model, programs = tmp_path / "a.yaml", {"driver.py": before + DRIVER, "worker.py": before + worker}
    model.write_text((Path(__file__).parents[2] / "cfg" / "yolov5-ema.yaml").read_text())
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
    words = [tmp_path / "driver.py", tmp_path / "worker.py", model, data, tmp_path / "out"]
    return [sys.executable, *map(str, words)]


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def waiting(tmp_path: Path, data: Path, before: str = "") -> tuple[subprocess.Popen, int, int]:
    """A benchmark whose worker has started a process and waits, and the ids of both."""
    process = subprocess.Popen(driver(tmp_path, data, WAITING, before), cwd=tmp_path)
    pids = tmp_path / "out" / "runs" / "a-seed0" / "pids"
    assert until(lambda: pids.is_file() or process.poll() is not None)
    worker, child = map(int, pids.read_text().split())
    assert running(worker) and running(child)
    return process, worker, child


@pytest.mark.parametrize("before", ["", WITHOUT_UNIX], ids=["as it is", "without fcntl, fork and killpg"])
def test_killing_the_benchmark_ends_its_worker_and_what_that_has_started(tmp_path, data, before):
    process, worker, child = waiting(tmp_path, data, before)
    process.kill()
    process.wait()
    if not before:  # without fcntl, the lock of the test and that of the worker are of two kinds
        with folder_lock(tmp_path / "out" / "runs", "busy", timeout=60):
            assert not running(worker) and not running(child)
    assert until(lambda: not running(worker) and not running(child))


def test_a_benchmark_runs_where_there_is_no_fcntl_fork_or_killpg(tmp_path, data):
    command = driver(tmp_path, data, FINISHING, WITHOUT_UNIX)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "1 finished"


def test_a_second_benchmark_waits_for_the_worker_of_a_killed_one(tmp_path, data):
    """The second one begins only when nothing of the first is left, so no two trainings write one folder."""
    first, worker, child = waiting(tmp_path, data)
    first.kill()
    second = subprocess.run(driver(tmp_path, data, FINISHING), cwd=tmp_path, capture_output=True, text=True)
    first.wait()
    assert second.stdout.splitlines()[-1] == "1 finished", second.stdout + second.stderr
    assert not running(worker) and not running(child)
