"""Reading folders of `bench`, one or several."""

import hashlib
import json

import pytest

from yolo_attn.experiment import journal
from yolo_attn.experiment.records import FailedRun, Task
from yolo_attn.experiment.report.folders import read


def test_runs_are_sorted_by_model_and_seed_and_have_their_line(bench):
    folder = bench()
    study = read([folder])
    assert [(run.model, run.seed) for run in study.runs] == [("plain", 0), ("plain", 1), ("ema", 0), ("ema", 1)]
    lines = (folder / "runs.jsonl").read_bytes().splitlines()
    assert [entry.line.number for entry in study.recorded] == [1, 3, 2, 4]
    assert study.recorded[2].line.digest == hashlib.sha256(lines[1]).hexdigest()
    assert (list(study.models), study.seeds) == (["plain", "ema"], (0, 1))


@pytest.mark.parametrize("missing", ["runs.jsonl", "settings.json"])
def test_a_folder_that_bench_did_not_write_is_refused(bench, missing):
    folder = bench()
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {missing}; name a folder that `yolo-attn bench --out` wrote"):
        read([folder])


def test_no_folder_is_refused():
    with pytest.raises(ValueError, match="no folder is given"):
        read([])


def test_a_failed_run_counts_until_it_is_finished(bench):
    folder = bench()
    lines = (folder / "runs.jsonl").read_text().splitlines(keepends=True)
    (folder / "runs.jsonl").write_text("")
    for seed in (1, 7):
        journal.append(folder / "runs.jsonl", FailedRun(model="ema", seed=seed, error="no memory", log="log.txt"))
    with (folder / "runs.jsonl").open("a") as file:
        file.writelines(lines)
    study = read([folder])
    assert [(run.model, run.seed) for run in study.failed] == [("ema", 7)]
    assert len(study.runs) == 4


def test_a_run_without_a_record_is_unfinished(bench):
    folder = bench()
    (folder / "runs" / "ema-seed2").mkdir()
    task = Task(name="ema", model="ema.yaml", data="d.yaml", seed=2, epochs=2, training={})
    (folder / "runs" / "ema-seed2" / "task.json").write_text(task.to_json())
    assert read([folder]).unfinished == ("ema, seed 2",)


def test_several_folders_are_joined_and_the_first_of_two_equal_runs_counts(bench):
    first, second = bench("first", seeds=(0,)), bench("second", models=("plain", "eca"), seeds=(0, 1))
    study = read([first, second])
    assert list(study.models) == ["plain", "ema", "eca"]
    assert [(run.model, run.seed) for run in study.runs] == [
        ("plain", 0),
        ("plain", 1),
        ("ema", 0),
        ("eca", 0),
        ("eca", 1),
    ]
    assert [entry.journal.parent for entry in study.recorded] == [first, second, first, second, second]
    (note,) = study.notes
    assert note.startswith("plain, seed 0, is in ") and note.endswith("; the first counts.")


def test_the_same_folder_twice_is_one(bench):
    folder = bench()
    assert read([folder, folder]) == read([folder])


def test_folders_of_other_settings_are_refused_and_each_difference_is_named(bench):
    first, second = bench("first"), bench("second", epochs=3, batch=8)
    with pytest.raises(ValueError, match="cannot be joined, they differ in epochs 2 and 3; batch not given and 8"):
        read([first, second])


def test_a_model_of_the_same_name_and_another_file_is_refused(bench):
    first, second = bench("first"), bench("second")
    content = json.loads((second / "settings.json").read_text())
    content["models"]["ema"] = "another"
    (second / "settings.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="they differ in the file of ema"):
        read([first, second])


def test_the_place_of_the_same_data_yaml_may_differ(bench):
    study = read([bench("first"), bench("second", data="/elsewhere/three.yaml")])
    assert len(study.folders) == 2
