"""What a run takes of a node of a Ray cluster, and for how many runs the nodes have room. Nodes are entries of `ray.nodes()`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yolo_attn.experiment.plan import Experiment


@dataclass(frozen=True)
class Share:
    """What a run takes of a node."""

    cpus: int
    gpus: float


def share_of(nodes: Sequence[Mapping[str, Any]], experiment: Experiment, gpus: float | None) -> Share:
    """Return what a run of an experiment takes; ValueError if no node has it.

    Args:
        nodes: Of the cluster.
        experiment: Its cores of a run, or the threads that Ultralytics takes on this machine.
        gpus: GPUs of a run; if not given, one where there are any and the runs are not for the CPU.
    """
    if gpus is not None and gpus > 1 and gpus != int(gpus):
        raise ValueError(f"bench: --gpus-per-run is {gpus:g}; give a part of one GPU, such as 0.5, or whole ones")
    if gpus is None:
        has_gpus = any(entry["Resources"].get("GPU") for entry in nodes)
        gpus = float(has_gpus and str(experiment.training.get("device")) != "cpu")
    share = Share(experiment.cpus_per_run or _usual_threads(), gpus)
    if not at_once(nodes, share):
        asked = f"one run asks for {share.cpus} CPU cores and {share.gpus:g} GPUs"
        has = "; ".join(
            f"{name_of(entry)} has {_amount(entry, 'CPU'):g} and {_amount(entry, 'GPU'):g}" for entry in nodes
        )
        raise ValueError(f"bench: {asked}, which no node has ({has}); see --cpus-per-run and --gpus-per-run")
    return share


def at_once(nodes: Sequence[Mapping[str, Any]], share: Share) -> int:
    """The number of runs for which the nodes have room."""
    return sum(min(_amount(entry, "CPU") // share.cpus, _room(_amount(entry, "GPU"), share.gpus)) for entry in nodes)


def _room(gpus: int, asked: float) -> int:
    if not asked:
        return 10**6
    return int(gpus // asked) if asked >= 1 else gpus * int(1 / asked)  # a run has its part of one GPU


def _amount(entry: Mapping[str, Any], resource: str) -> int:
    return int(entry["Resources"].get(resource, 0))


def name_of(entry: Mapping[str, Any]) -> str:
    """Return what tells a node from the others, also where several are on one machine."""
    return f"node {entry['NodeManagerAddress']} ({entry['NodeID'][:6]})"


def _usual_threads() -> int:
    from yolo_attn.plugin.threads import usual_threads  # takes seconds

    return usual_threads()
