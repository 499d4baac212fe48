"""A benchmark on a Ray cluster: what is refused before anything trains, what a run takes of a node, and equal scores."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ultralytics import YOLO

from tests.experiment.runs import TRAINING
from yolo_attn.experiment import cluster, journal
from yolo_attn.experiment.plan import Experiment
from yolo_attn.experiment.ray_connection import connect, reason
from yolo_attn.experiment.records import Task
from yolo_attn.experiment.shares import Share, at_once, share_of

COMMAND = Path(sys.executable).parent / "yolo-attn"


def node(cpus: float, gpus: float = 0) -> dict:
    return {"NodeID": "abcdef012", "NodeManagerAddress": "10.0.0.1", "Resources": {"CPU": cpus, "GPU": gpus}}


def experiment(**changes) -> Experiment:
    given = {"models": [], "data": "d.yaml", "seeds": [0], "epochs": 1, "out": Path("out"), "training": {}}
    return Experiment(**{**given, **changes})


@pytest.mark.parametrize(
    ("nodes", "share", "runs"),
    [
        ([node(8), node(2), node(1)], Share(2, 0), 5),
        ([node(16, 2)], Share(2, 1), 2),
        ([node(16, 2)], Share(2, 0.5), 4),
        ([node(16, 2)], Share(1, 0.4), 4),  # a run has its part of one GPU: two on each
        ([node(16, 4), node(16, 3)], Share(2, 2), 3),
        ([node(3, 4)], Share(2, 1), 1),
        ([node(1), node(1)], Share(2, 0), 0),
    ],
)
def test_runs_at_once_are_what_nodes_have_room_for(nodes, share, runs):
    assert at_once(nodes, share) == runs


def test_a_run_that_fits_on_no_node_is_refused_with_what_there_is():
    message = r"one run asks for 64 CPU cores and 0 GPUs, which no node has \(node 10.0.0.1 \(abcdef\) has 8 and 0; .* has 4 and 0\)"
    with pytest.raises(ValueError, match=message):
        share_of([node(8), node(4)], experiment(cpus_per_run=64), None)


@pytest.mark.parametrize(
    ("gpus", "training", "asked", "expected"),
    [(2, {}, None, 1), (2, {"device": "cpu"}, None, 0), (0, {}, None, 0), (2, {}, 0.5, 0.5), (2, {}, 0, 0)],
)
def test_a_run_has_a_gpu_where_there_are_any_and_the_device_is_not_the_cpu(gpus, training, asked, expected):
    assert share_of([node(8, gpus)], experiment(training=training, cpus_per_run=2), asked) == Share(2, expected)


def test_one_and_a_half_gpus_are_refused():
    with pytest.raises(
        ValueError, match=r"--gpus-per-run is 1\.5; give a part of one GPU, such as 0\.5, or whole ones"
    ):
        share_of([node(8, 4)], experiment(cpus_per_run=1), 1.5)


def test_the_reason_of_a_failed_task_is_what_the_node_raised():
    error = RuntimeError("Traceback\n  a.py\nValueError: the last line")
    assert reason(error) == "ValueError: the last line"
    error.cause = FileNotFoundError("pictures not found\nNote: the folder is /data")
    assert reason(error) == "pictures not found Note: the folder is /data"


@pytest.mark.parametrize("device", [0, "0,1", "cuda:1"])
def test_a_device_is_refused_since_ray_chooses_it(device):
    with (
        pytest.raises(ValueError, match="Ray chooses the GPU of each run; leave it out, or give device=cpu"),
        cluster.ray_cluster("local", experiment(training={"device": device})),
    ):
        pass


def test_what_follows_from_a_machine_is_in_the_task(monkeypatch):
    """Scores depend on the number of threads and of data loader processes, which Ultralytics takes from the machine's cores."""
    monkeypatch.setattr(cluster.os, "cpu_count", lambda: 6)
    task = Task(name="a", model="a.yaml", data="d.yaml", seed=0, epochs=1, training={"imgsz": 64})
    adapted = cluster._adapted(task, Share(3, 0))
    assert (adapted.threads, dict(adapted.training)) == (3, {"imgsz": 64, "workers": 6, "device": "cpu"})
    few = Task(name="a", model="a.yaml", data="d.yaml", seed=0, epochs=1, training={"workers": 2})
    assert dict(cluster._adapted(few, Share(3, 0.5)).training) == {"workers": 2}


@pytest.mark.parametrize("address", ["somewhere", "host:port", ":6379", "ray://host:10001", "host:", "imgsz=64"])
def test_an_address_of_another_form_is_refused(address):
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match="--ray takes local, auto or HOST:PORT"):
        connect(address)


def test_an_address_that_does_not_answer_is_refused():
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionError, match=f"no Ray cluster answers at 127.0.0.1:{port}: .*refused"):
        connect(f"127.0.0.1:{port}")


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"--ray needs Ray .*; pip install 'yolo-attn\[cluster\]'"):
        connect("local")


def test_no_file_of_the_package_imports_ray_when_it_is_imported():
    code = "import sys; sys.modules['ray'] = None; import yolo_attn.cli, yolo_attn.experiment.cluster, yolo_attn.experiment.runner"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def address(monkeypatch):
    """A cluster of two nodes on this machine, each with room for one run."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    nodes = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    yield nodes.address
    nodes.shutdown()


def bench(data: Path, out: Path, *options: str) -> subprocess.CompletedProcess:
    words = ["--models", "yolov5n.yaml,yolov5n-ema.yaml", "--data", data, "--seeds", 0, "--epochs", 2, "--out", out]
    pairs = [f"{key}={value}" for key, value in {**TRAINING, "warmup_epochs": 0, "lr0": 0.02}.items()]
    command = [str(COMMAND), "bench", *map(str, words), "--cpus-per-run", "1", *options, *pairs]
    return subprocess.run(command, cwd=out.parent, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ray's test cluster is for Linux and macOS")
def test_scores_are_the_same_bit_for_bit_one_after_another_at_once_and_on_a_cluster(address, data, tmp_path):
    results = {}
    for name, options in {"alone": [], "jobs": ["--jobs", "2"], "ray": ["--ray", address]}.items():
        done = bench(data, tmp_path / name, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        runs = journal.read(tmp_path / name / "runs.jsonl").runs
        detections = {path.parts[-3:]: path.read_bytes() for path in (tmp_path / name).glob("runs/*/detections/*.txt")}
        scored = {
            (run.model, run.seed): (run.scores, run.per_class, run.curve, run.environment.threads) for run in runs
        }
        weights = {
            (path.parts[-3], key): value.numpy().tobytes()
            for path in (tmp_path / name).glob("runs/*/weights/last.pt")
            for key, value in YOLO(path).model.state_dict().items()
        }
        results[name] = scored, detections, weights
    assert len(results["alone"][0]) == 2 and len(results["alone"][1]) == 32
    assert len(results["alone"][2]) > 500
    assert results["jobs"] == results["alone"]
    assert results["ray"] == results["alone"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ray's test cluster is for Linux and macOS")
def test_what_a_cluster_lacks_is_one_sentence_and_nothing_is_trained(address, data, tmp_path):
    too_much = bench(data, tmp_path / "out", "--ray", address, "--cpus-per-run", "64")
    assert too_much.returncode == 2
    assert "one run asks for 64 CPU cores and 0 GPUs, which no node has" in too_much.stderr.splitlines()[-1]
    assert not list((tmp_path / "out" / "runs").iterdir())
