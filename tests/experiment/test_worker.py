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
BENCHMARK = """
import sys
from pathlib import Path
from yolo_attn.experiment import launch, runner
from yolo_attn.experiment.plan import Experiment
launch.WORKER = (sys.executable, sys.argv[1])
experiment = Experiment(models=[sys.argv[2]], data=sys.argv[3], seeds=[0], epochs=1, out=Path(sys.argv[4]), training={})
print(len(runner.run(experiment, print).runs), "finished")
"""
ONE_RUN = """
import sys
from pathlib import Path
from yolo_attn.experiment import launch, places
from yolo_attn.experiment.records import Task
launch.WORKER = (sys.executable, sys.argv[1])
task = Task(name="a", model=sys.argv[2], data=sys.argv[3], seed=0, epochs=1, training={})
with places.this_machine(1) as place:
    print(place.work(Path(sys.argv[4]) / "runs" / "a-seed0", task).status)
"""


def command(tmp_path: Path, data: Path, driver: str, worker: str, before: str = "") -> list[str]:
    """The command of a driver whose worker is the given program."""
    model, programs = tmp_path / "a.yaml", {"driver.py": before + driver, "worker.py": before + worker}
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


def waiting(tmp_path: Path, data: Path, driver: str, before: str = "") -> tuple[subprocess.Popen, int, int]:
    """A driver whose worker has started a process and waits, and the ids of both."""
    process = subprocess.Popen(command(tmp_path, data, driver, WAITING, before), cwd=tmp_path)
    pids = tmp_path / "out" / "runs" / "a-seed0" / "pids"
    assert until(lambda: pids.is_file() or process.poll() is not None)
    worker, child = map(int, pids.read_text().split())
    assert running(worker) and running(child)
    return process, worker, child


@pytest.mark.parametrize("before", ["", WITHOUT_UNIX], ids=["as it is", "without fcntl, fork and killpg"])
def test_killing_the_driver_ends_its_worker_and_what_that_has_started(tmp_path, data, before):
    process, worker, child = waiting(tmp_path, data, ONE_RUN, before)
    process.kill()
    process.wait()
    if not before:  # without fcntl, the lock of the test and that of the worker are of two kinds
        with folder_lock(tmp_path / "out" / "runs" / "a-seed0", "busy", timeout=60):
            assert not running(child)
    assert until(lambda: not running(worker) and not running(child))


def test_a_run_finishes_where_there_is_no_fcntl_fork_or_killpg(tmp_path, data):
    done = subprocess.run(
        command(tmp_path, data, ONE_RUN, FINISHING, WITHOUT_UNIX), cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["finished"]), done.stdout + done.stderr


def test_a_second_benchmark_waits_for_the_worker_of_a_killed_one(tmp_path, data):
    """The second one begins only when nothing of the first is left, so no two trainings write one folder."""
    first, worker, child = waiting(tmp_path, data, BENCHMARK)
    first.kill()
    second = subprocess.run(command(tmp_path, data, BENCHMARK, FINISHING), cwd=tmp_path, capture_output=True, text=True)
    first.wait()
    assert second.stdout.splitlines()[-1] == "1 finished", second.stdout + second.stderr
    assert not running(worker) and not running(child)


def test_a_worker_that_waited_for_another_does_not_repeat_its_run(tmp_path):
    """This happens when a node seems lost and its run is started on another one."""
    folder = tmp_path / "a-seed0"
    folder.mkdir()
    program = tmp_path / "worker.py"
    program.write_text(FINISHING)
    with folder_lock(folder, "busy", 0):
        second = subprocess.Popen([sys.executable, str(program), str(folder)], stdin=subprocess.PIPE)
        (folder / "record.json").write_text(finished_run("b", 7).to_json())
    assert second.wait(60) == 0
    assert finished_run("b", 7).to_json() == (folder / "record.json").read_text()
