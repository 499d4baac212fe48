"""A benchmark on a cluster of several nodes, whose processes are killed again and again."""

import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.experiment.runs import finished_run
from yolo_attn.experiment import journal
from yolo_attn.experiment.records import FailedRun

EPOCHS, NODES, ROOM, KILLS = 6, 2, 2, 20
# Takes the place of the training in every process: an epoch is a pause, and every step is noted with the id of the process.
# The lease, the process, the record and all that the driver does are the real ones.
STUB = f"""
import os, sys

def finish(folder):
    import json, time
    task, state, trace = json.loads((folder / "task.json").read_text()), folder / "state", folder / "trace"
    def note(*words):
        with trace.open("a") as lines:
            lines.write(" ".join(map(str, (os.getpid(), *words))) + "\\n")
    done = int(state.read_text()) if state.exists() else 0
    note("start", done)
    for epoch in range(done + 1, task["epochs"] + 1):
        note("begin", epoch)
        time.sleep(0.5)
        (folder / "draft").write_text(str(epoch))
        os.replace(folder / "draft", state)
    record = json.loads({finished_run("a", 0).to_json()!r}) | {{"model": task["name"], "seed": task["seed"]}}
    note("record")
    (folder / "draft").write_text(json.dumps(record))
    os.replace(folder / "draft", folder / "record.json")

words = " ".join(sys.orig_argv)
if "yolo_attn.experiment.worker" in words:
    module = sys.modules["yolo_attn.experiment.training"] = type(sys)("training")
    module.finish = finish
elif "default_worker" in words:  # of Ray
    from yolo_attn.experiment import node
    node.contents = lambda needs: {{}}  # versions and data are not looked at, which would take seconds at each node
"""
DRIVER = """
import sys
from pathlib import Path
from yolo_attn.experiment import node, plots, preparation, runner, settings
from yolo_attn.experiment.cluster import ray_cluster
from yolo_attn.experiment.places import this_machine
from yolo_attn.experiment.plan import Experiment, Plan
address, data, out, seeds, epochs = sys.argv[1:]
plan = Plan(texts={"a": "", "b": ""}, data=Path(data), checkpoint=None)
preparation.check = lambda experiment: plan
preparation.check_data_set, preparation.read_labels = lambda data: {}, lambda data, training: []
settings.require_same, node.contents = lambda experiment, plan: None, lambda needs: {}
plots.write = lambda *results: None
experiment = Experiment([], data, range(int(seeds)), int(epochs), Path(out), {"device": "cpu"}, cpus_per_run=1)
place = this_machine(4) if address == "jobs" else ray_cluster(address, experiment)
try:
    outcome = runner.run(experiment, lambda line: print(line, flush=True), place)
except ConnectionError as error:  # the node died to which this process was connected
    sys.exit(100)
sys.exit(len(outcome.failed))
"""


def new_cluster(make):
    """Start a cluster; on a busy machine its first node may take longer to start than Ray waits for it."""
    quiet = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    for _ in range(4):
        with suppress(Exception):
            return make(initialize_head=True, head_node_args={"num_cpus": 0, **quiet})
    return make(initialize_head=True, head_node_args={"num_cpus": 0, **quiet})


def new_node(cluster):
    """Add a node in the same way."""
    for _ in range(4):
        with suppress(Exception):
            return cluster.add_node(num_cpus=ROOM, include_log_monitor=False)
    return cluster.add_node(num_cpus=ROOM, include_log_monitor=False)


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """The stub for all processes that are started from here on."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))


@pytest.fixture
def cluster(stub, monkeypatch):
    """A cluster of several nodes on this machine, each with room for two runs, whose processes know the stub."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = new_cluster(cluster_utils.Cluster)
    for _ in range(NODES):
        new_node(cluster)
    yield cluster
    cluster.shutdown()


def traces(out: Path) -> dict[str, list[list[str]]]:
    return {
        path.parent.name: [line.split() for line in path.read_text().splitlines()] for path in out.glob("runs/*/trace")
    }


def at_work(out: Path) -> list[psutil.Process]:
    """The processes of runs, and Ray's that wait for them."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if f"yolo_attn.experiment.worker {out}" in words:
            found += [process, *filter(None, [process.parent()])]
    return [process for process in found if process.pid != 1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals, and Ray's test cluster, are for Linux and macOS")
@pytest.mark.parametrize(
    ("where", "kinds"),
    [("jobs", ["process", "driver"]), ("cluster", ["process", "process", "worker", "node", "driver"])],
)
def test_twenty_kills_lose_no_run_double_none_and_repeat_an_epoch_each(where, kinds, request, stub, tmp_path):
    cluster = request.getfixturevalue("cluster") if where == "cluster" else None
    nodes, address = (list(cluster.worker_nodes), cluster.address) if cluster else ([], "jobs")
    out, generator, seeds, killed = tmp_path / "out", random.Random(0), 4, Counter()
    (tmp_path / "driver.py").write_text(DRIVER)
    log = (tmp_path / "log.txt").open("ab")

    def start() -> subprocess.Popen:
        command = [sys.executable, tmp_path / "driver.py", address, tmp_path / "no.yaml", out, seeds, EPOCHS]
        return subprocess.Popen([*map(str, command)], stdout=log, stderr=log)

    driver = start()
    for kind in generator.sample(kinds * (KILLS // len(kinds)), KILLS):
        noted = sum(map(len, traces(out).values()))
        while sum(map(len, traces(out).values())) <= noted:  # the work goes on after the kill before
            if driver.poll() is not None:
                assert driver.returncode in (0, 100) or not cluster, (tmp_path / "log.txt").read_text()
                seeds += 2 if driver.returncode == 0 else 0  # all is done already: more work
                driver = start()
            time.sleep(0.1)
        time.sleep(generator.uniform(0, 1))
        busy = at_work(out)
        if kind == "driver" or not busy:
            kind = "driver"
            driver.kill()
            driver.wait()
            driver = start()
        elif kind == "node":
            node = nodes.pop(generator.randrange(len(nodes)))
            cluster.remove_node(node, allow_graceful=False)
            nodes.append(new_node(cluster))
        else:
            generator.choice(busy[kind == "worker" :: 2]).kill()
        killed[kind] += 1
        print(
            time.strftime("%X"),
            kind,
            dict(killed),
            {name: len(lines) for name, lines in traces(out).items()},
            flush=True,
        )
    while driver.wait():  # the connection to a cluster is lost, or without one a killed run has failed
        driver = start()
    log.close()

    assert killed.total() == KILLS and min(killed[kind] for kind in kinds) >= 1
    runs = journal.read(out / "runs.jsonl")
    assert runs.damaged == ()
    finished = [(run.model, run.seed) for run in runs.runs if not isinstance(run, FailedRun)]
    assert sorted(finished) == [(model, seed) for model in "ab" for seed in range(seeds)]  # each once
    repeated = 0
    for lines in traces(out).values():
        begun, owner = 0, ""
        for pid, kind, *epoch in lines:
            if kind == "start":
                owner = pid
                assert begun - int(epoch[0]) <= 1, lines  # it repeats the epoch that was cut, and no other
                repeated += begun > int(epoch[0])
            assert pid == owner, lines  # no two processes at one run
            begun = max(begun, int(epoch[0])) if kind == "begin" else begun
        assert begun == EPOCHS and lines[-1][1] == "record"
        assert [kind for _, kind, *_ in lines].count("record") == 1
    print(f"{killed}, {repeated} epochs repeated, {len(finished)} runs")
    assert 0 < repeated <= max(4, NODES * ROOM) * KILLS
    assert not at_work(out)
