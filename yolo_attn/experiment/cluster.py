"""Runs on the nodes of a Ray cluster. Each is a task that starts the same process as on one machine.

Ray chooses the node and the GPU, and begins a task anew when its worker or node dies. The journal, the checkpoints and the lock of
each run are files on shared storage, as on one machine. Ray is an extra, so it is imported where it is used.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yolo_attn.experiment import launch, node
from yolo_attn.experiment.places import Place
from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.experiment.ray_connection import connect, reason
from yolo_attn.experiment.records import FailedRun, FinishedRun, Task
from yolo_attn.experiment.shares import Share, at_once, name_of, share_of

RETRIES = 10  # of a run whose process, worker or node dies; each repeats one epoch at most
LOADERS = 8  # Ultralytics' own number of data loader processes


@dataclass(frozen=True)
class Terms:
    """What a task checks at a node before it begins a run there."""

    needs: node.Needs
    expected: Mapping[str, str]
    checked: frozenset[str]  # ids of nodes that were checked before the first run
    directory: str  # where the benchmark was started
    environment: Mapping[str, str | None]  # variables that Ray sets and that change results


@contextmanager
def ray_cluster(address: str, experiment: Experiment, gpus_per_run: float | None = None) -> Iterator[Place]:
    """Connect to a Ray cluster and give it as a place for runs.

    Args:
        address: `HOST:PORT` of a cluster, `auto` for the one that this machine belongs to, or `local` to start one on this machine
            that ends with the block.
        experiment: Whose runs will be done.
        gpus_per_run: GPUs of a run, or a part of one. One if the cluster has GPUs and the runs are not for the CPU, if not given.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: No cluster answers at the address.
        ValueError: No node has what one run asks for, a node has other versions or data, or `device` names a GPU, which Ray chooses.
    """
    device = experiment.training.get("device")
    if device is not None and str(device) != "cpu":
        raise ValueError(
            f"bench: device={device}, but Ray chooses the GPU of each run; leave it out, or give device=cpu"
        )
    ray = connect(address)
    try:
        nodes = [entry for entry in ray.nodes() if entry["Alive"]]
        share = share_of(nodes, experiment, gpus_per_run)
        refs: list[Any] = []  # of tasks that were begun
        given: list[Terms] = []  # by `check`, before the first run
        over = threading.Event()

        def check(experiment: Experiment, plan: Plan) -> None:
            given[:] = [_check_nodes(ray, nodes, experiment, plan)]

        def work(folder: Path, task: Task) -> FinishedRun | FailedRun:
            task_of_ray = ray.remote(_run).options(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=RETRIES)
            ref = task_of_ray.remote(folder, _adapted(task, share), given[0])
            refs.append(ref)
            if over.is_set():  # this thread was about to begin a run when the others were ended
                ray.cancel(ref, force=True)
            try:
                return ray.get(ref)
            except ray.exceptions.LocalRayletDiedError as error:  # every other run would fail as well
                lost = "the connection to the Ray cluster is lost, because Ray on this machine has ended"
                raise ConnectionError(f"bench: {lost}; start the same command again") from error
            except ray.exceptions.RayError as error:
                return FailedRun(task.name, task.seed, reason(error), str(folder / launch.LOG))

        def end() -> None:
            over.set()
            for ref in [*refs]:
                with suppress(ray.exceptions.RayError):  # a connection that is lost ends the runs, too
                    ray.cancel(ref, force=True)

        yield Place(at_once(nodes, share), work, end, check)
    finally:
        ray.shutdown()


def _adapted(task: Task, share: Share) -> Task:
    """The same task, with what would otherwise follow from the machine: threads, data loader processes, and the absence of a GPU."""
    loaders = min(task.training.get("workers", LOADERS), os.cpu_count() or 1)
    training = {**task.training, "workers": loaders, **({} if share.gpus else {"device": "cpu"})}
    return replace(task, training=training, threads=share.cpus)


def _check_nodes(ray: Any, nodes: Sequence[Mapping[str, Any]], experiment: Experiment, plan: Plan) -> Terms:
    """Raise ValueError with a sentence about the first node that would not do the runs as this machine would."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    needs = node.Needs(experiment.out.resolve(), plan.data, plan.checkpoint, dict(experiment.training))
    expected = node.contents(needs)
    checking = {}
    for entry in nodes:
        there = NodeAffinitySchedulingStrategy(entry["NodeID"], soft=False)
        checking[name_of(entry)] = (
            ray.remote(node.require_same).options(num_cpus=0, scheduling_strategy=there).remote(needs, expected)
        )
    for name, ref in checking.items():
        try:
            ray.get(ref)
        except ray.exceptions.RayError as error:
            raise ValueError(f"bench: {name}: {reason(error)}") from None
    checked = frozenset(entry["NodeID"] for entry in nodes)
    environment = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    return Terms(needs, expected, checked, os.getcwd(), environment)


def _run(folder: Path, task: Task, terms: Terms) -> FinishedRun | FailedRun:
    """The task of Ray: do a run on this node."""
    import ray

    if ray.get_runtime_context().get_node_id() not in terms.checked:  # it has joined since
        node.require_same(terms.needs, terms.expected)
    for name, value in terms.environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if os.path.isdir(terms.directory):
        os.chdir(terms.directory)
    with launch.standard_input() as (reading, _):
        return launch.work(folder, task, reading, starts=1 + RETRIES)
