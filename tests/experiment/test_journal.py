"""The file of records through kills and damage."""

import errno
import json
import os

import pytest

from tests.experiment.runs import finished_run
from yolo_attn.experiment import journal
from yolo_attn.experiment.records import FailedRun

RUNS = (
    finished_run("a", 0),
    FailedRun(model="ä", seed=1, error="no", log="log.txt"),
)


@pytest.fixture
def file(tmp_path):
    for run in RUNS:
        journal.append(tmp_path / "runs.jsonl", run)
    return tmp_path / "runs.jsonl"


def test_runs_come_back_in_order(file):
    assert journal.read(file) == journal.Journal(runs=RUNS)
    assert len(file.read_text().splitlines()) == 2


def test_no_file_has_no_runs(tmp_path):
    assert journal.read(tmp_path / "runs.jsonl").runs == ()


@pytest.mark.parametrize(
    "cut", [b"{", RUNS[0].to_json().encode(), b'{"model": "b", "se'], ids=["brace", "line", "word"]
)
def test_a_line_without_end_is_no_run_and_makes_way_for_the_next(file, cut):
    with file.open("ab") as lines:
        lines.write(cut)
    assert journal.read(file) == journal.Journal(runs=RUNS)
    journal.append(file, finished_run("c", 2))
    assert journal.read(file) == journal.Journal(runs=(*RUNS, finished_run("c", 2)))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense", "Expecting value"),
        (b"", "Expecting value"),
        (b"\xff\xfe", "utf-8"),
        (b"[1]", "is no JSON object"),
        (b'{"model": "b", "seed": 1}', "has no imgsz, batch"),
        (b'{"status": "failed", "model": "b"}', "has no seed, error, log"),
        (json.dumps({**json.loads(RUNS[0].to_json()), "environment": 5}).encode(), "is no JSON object"),
    ],
)
def test_a_damaged_line_is_named_and_costs_no_other_run(file, line, reason):
    with file.open("ab") as lines:
        lines.write(line + b"\n")
    journal.append(file, finished_run("c", 2))
    entries = journal.read(file)
    assert entries.runs == (*RUNS, finished_run("c", 2))
    (sentence,) = entries.damaged
    assert "runs.jsonl:3: is not the record of a run (" in sentence and reason in sentence


def test_a_number_that_json_does_not_have_is_refused(file):
    with pytest.raises(ValueError, match="JSON"):
        journal.append(file, finished_run("c", 2, gflops=float("nan")))
    assert journal.read(file).runs == RUNS


def test_a_full_disk_is_reported_with_the_name_of_the_file(file, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as refused:
        journal.append(file, RUNS[0])
    assert refused.value.filename == str(file)
