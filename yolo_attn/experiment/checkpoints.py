"""Copies of a training's checkpoints that are whole after a kill at any moment, and from which a later process resumes.

Ultralytics writes last.pt and best.pt in place, so a kill while it saves leaves neither the old checkpoint nor the new. After
each save the file is therefore copied and renamed. The copy of best.pt has its epoch in its name: a kill between the two copies
must not pair an older state with the best checkpoint of an epoch that is trained anew.
"""

import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from yolo_attn.storage import atomic_write

STATE = "state.pt"
TRAINED = "trained"  # a file that says that the last epoch is over
PRETRAINED = "pretrained.pt"  # the checkpoint from which the training starts
DAMAGED = (EOFError, KeyError, OSError, RuntimeError, pickle.UnpicklingError)  # what loading a cut file raises


def copy_saved(trainer: Any) -> None:
    """Copy what Ultralytics has just saved; its callback `on_model_save`."""
    folder = Path(trainer.save_dir)
    if trainer.best_fitness == trainer.fitness:  # Ultralytics' own rule
        _copy(trainer.best, folder / f"best-{trainer.epoch + 1:04d}.pt")
    _copy(trainer.last, folder / STATE)
    for older in _bests(folder)[:-1]:
        older.unlink()
    if trainer.stop:
        atomic_write(folder / TRAINED, b"")


def resumable(folder: Path) -> tuple[Path | None, int]:
    """The checkpoint from which a killed training resumes, and its number of epochs; (None, 0) to start from the beginning.

    What epochs after that checkpoint left is removed: best checkpoints, and rows of results.csv.
    """
    epochs_of = {path: epochs_in(path) for path in (folder / STATE, folder / "weights" / "last.pt")}
    state, epochs = max(epochs_of.items(), key=lambda entry: entry[1])
    for best in _bests(folder):
        if int(best.stem.removeprefix("best-")) > epochs:
            best.unlink()
    if not epochs:
        shutil.rmtree(folder / "weights", ignore_errors=True)
        (folder / "results.csv").unlink(missing_ok=True)
        return None, 0
    restore_best(folder)
    _cut_rows(folder / "results.csv", epochs)
    return state, epochs


def epochs_in(checkpoint: Path) -> int:
    """The number of epochs of a checkpoint that can be resumed; 0 if it is absent, damaged, or stripped at the end of training."""
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
        return saved["epoch"] + 1 if saved["optimizer"] is not None else 0
    except DAMAGED:
        return 0


def restore_best(folder: Path) -> None:
    """Copy the best checkpoint to the place where Ultralytics looks for it."""
    for best in _bests(folder)[-1:]:  # none before the first epoch is saved
        _copy(best, folder / "weights" / "best.pt")


def discard(folder: Path) -> None:
    """Remove the copies, and the weights that the training started from."""
    for path in (*_bests(folder), folder / STATE, folder / PRETRAINED):
        path.unlink(missing_ok=True)


def _bests(folder: Path) -> list[Path]:
    return sorted(folder.glob("best-*.pt"))


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        atomic_write(target, iter(lambda: file.read(2**20), b""))


def _cut_rows(results: Path, epochs: int) -> None:
    """Keep the rows of the first `epochs` epochs: a row is written before the checkpoint, so the last may be too new, or cut."""
    if results.is_file():
        lines = results.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [row for row in lines[1:] if row.endswith("\n") and int(row.partition(",")[0]) <= epochs]
        atomic_write(results, "".join([*lines[:1], *whole]))
