"""What the page says about the plan that was written before the training."""

from collections.abc import Sequence
from pathlib import Path

from yolo_attn.experiment import written_plan


def sentence(folders: Sequence[Path]) -> str:
    """Name the first plan of each folder, its digest, its time, and how many runs had finished before it."""
    named = []
    for folder in folders:
        for plan in written_plan.read(folder)[:1]:
            when = (
                "before any run had finished"
                if plan.finished_runs == 0
                else f"when {plan.finished_runs} runs had finished"
            )
            named.append(f"{plan.file}, SHA-256 {plan.sha256}, written {plan.time}, {when}")
    return "; ".join(named) + "." if named else "No plan was written before the training."
