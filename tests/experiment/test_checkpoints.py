"""Checkpoints after a kill, and what a training resumes from."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from yolo_attn import storage
from yolo_attn.experiment import checkpoints

HEADER = "epoch,time,metrics/mAP50(B)\n"


def checkpoint(path: Path, epoch: int, optimizer: dict | None = None) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": epoch, "optimizer": {} if optimizer is None else optimizer, "weights": torch.zeros(99)}, path)
    return path.read_bytes()


def saved(folder: Path, epoch: int, fitness: float, best: float, last_epoch: int = 9) -> bytes:
    """An epoch (from 0) of a training, saved in Ultralytics' way, then copied."""
    content = checkpoint(folder / "weights" / "last.pt", epoch)
    if fitness == best:
        (folder / "weights" / "best.pt").write_bytes(content)
    with (folder / "results.csv").open("a") as rows:
        rows.write(("" if epoch else HEADER) + f"{epoch + 1},1.0,0.5\n")
    trainer = SimpleNamespace(
        save_dir=folder,
        epoch=epoch,
        fitness=fitness,
        best_fitness=best,
        best=folder / "weights" / "best.pt",
        last=folder / "weights" / "last.pt",
        stop=epoch == last_epoch,
    )
    checkpoints.copy_saved(trainer)
    return content


@pytest.fixture
def folder(tmp_path) -> Path:
    """A training cut after its third epoch; the second was its best."""
    for epoch, fitness, best in ((0, 0.1, 0.1), (1, 0.3, 0.3), (2, 0.2, 0.3)):
        saved(tmp_path, epoch, fitness, best)
    return tmp_path


def test_a_cut_training_goes_on_behind_its_last_epoch(folder):
    assert checkpoints.resumable(folder) == (folder / "state.pt", 3)


@pytest.mark.parametrize("size", [0, 10, 500])
def test_files_of_ultralytics_cut_in_the_middle_do_no_harm(folder, size):
    best = (folder / "weights" / "best.pt").read_bytes()
    for name in ("last.pt", "best.pt"):
        os.truncate(folder / "weights" / name, size)
    assert checkpoints.resumable(folder) == (folder / "state.pt", 3)
    assert (folder / "weights" / "best.pt").read_bytes() == best


@pytest.mark.parametrize("size", [None, 0, 10, 500], ids=str)
def test_without_a_whole_copy_the_file_of_ultralytics_is_taken(folder, size):
    os.truncate(folder / "state.pt", size) if size is not None else (folder / "state.pt").unlink()
    assert checkpoints.resumable(folder) == (folder / "weights" / "last.pt", 3)


@pytest.mark.parametrize(
    ("state", "last", "newer"), [(2, 3, "weights/last.pt"), (3, 2, "state.pt"), (3, 3, "state.pt")]
)
def test_the_newer_of_two_whole_files_is_taken(folder, state, last, newer):
    checkpoint(folder / "state.pt", state - 1)
    checkpoint(folder / "weights" / "last.pt", last - 1)
    assert checkpoints.resumable(folder) == (folder / newer, 3)


def test_without_any_whole_file_the_training_begins_anew(folder):
    for file in (folder / "state.pt", folder / "weights" / "last.pt"):
        os.truncate(file, 100)
    assert checkpoints.resumable(folder) == (None, 0)
    assert not (folder / "weights").exists()
    assert not (folder / "results.csv").exists()
    assert list(folder.glob("best-*.pt")) == []


def test_an_empty_folder_begins(tmp_path):
    assert checkpoints.resumable(tmp_path) == (None, 0)


def test_a_checkpoint_stripped_at_the_end_cannot_be_resumed(tmp_path):
    torch.save({"epoch": -1, "optimizer": None}, tmp_path / "last.pt")
    assert checkpoints.epochs_in(tmp_path / "last.pt") == 0


def test_a_best_epoch_whose_state_was_not_kept_any_more_is_forgotten(folder):
    second = (folder / "best-0002.pt").read_bytes()
    checkpoint(folder / "weights" / "last.pt", 1)
    checkpoint(folder / "state.pt", 2)
    checkpoint(folder / "best-0004.pt", 3)  # the kill fell between the two copies of the fourth epoch
    assert checkpoints.resumable(folder)[1] == 3
    assert (folder / "weights" / "best.pt").read_bytes() == second


def test_rows_of_epochs_that_are_trained_again_are_cut(folder):
    with (folder / "results.csv").open("a") as rows:
        rows.write("4,1.0,0.5\n5,1.")
    checkpoints.resumable(folder)
    assert (folder / "results.csv").read_text() == HEADER + "1,1.0,0.5\n2,1.0,0.5\n3,1.0,0.5\n"


def test_a_full_disk_leaves_the_older_copy_and_no_draft(folder, monkeypatch):
    before = (folder / "state.pt").read_bytes()

    def open_on_a_full_disk(path, mode):
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "open", open_on_a_full_disk, raising=False)
    with pytest.raises(OSError, match="No space left"):
        saved(folder, 3, 0.1, 0.3)
    assert (folder / "state.pt").read_bytes() == before
    assert not list(folder.rglob("*.partial"))


def test_an_empty_file_of_results_is_no_obstacle(folder):
    (folder / "results.csv").write_text("")
    assert checkpoints.resumable(folder)[1] == 3


def test_the_last_epoch_is_noted_and_only_it(folder):
    assert not (folder / checkpoints.TRAINED).exists()
    saved(folder, 9, 0.1, 0.3)
    assert (folder / checkpoints.TRAINED).exists()


def test_the_copies_are_one_state_and_one_best_and_can_be_discarded(folder):
    assert sorted(path.name for path in folder.glob("*.pt")) == ["best-0002.pt", "state.pt"]
    checkpoints.discard(folder)
    assert list(folder.glob("*.pt")) == []
