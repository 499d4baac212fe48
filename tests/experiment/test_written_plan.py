"""The plan of an experiment: what it says, and what is noted of it."""

import hashlib

import pytest

from tests.experiment.runs import TRAINING
from yolo_attn.experiment import journal, runner, written_plan
from yolo_attn.experiment.estimate import Duration, total
from yolo_attn.experiment.power import detectable_difference
from yolo_attn.experiment.written_plan import plan_experiment


def test_a_plan_trains_no_run_and_leaves_the_folder_open(make_experiment, tmp_path):
    text = plan_experiment(make_experiment("a", "b"))
    out = tmp_path / "out"
    assert "- Runs: 4, of which 4 are missing; 1 at once take about " in text
    assert "- Baseline a; compared with it, paired by seed: b." in text
    assert "- Seeds: 0, 1." in text
    assert "imgsz 64" in text
    assert journal.read(out / "runs.jsonl").runs == ()
    assert not (out / "one-epoch").exists()
    assert written_plan.read(out) == []
    assert runner.run(make_experiment("a", "b", epochs=3)).failed == ()  # other settings than those of the plan


def test_the_time_of_a_run_is_its_first_epoch_and_as_much_for_each_further_one(make_experiment):
    text = plan_experiment(make_experiment("a", epochs=1001))
    assert "measured once, and of a run: a 40.0 s and 11 h 0" in text  # 40,000 s and the start of a process


def test_runs_are_dealt_to_the_first_free_place():
    by_model = {"a": Duration(epoch=1, run=5), "b": Duration(epoch=1, run=2)}
    assert total(["a", "b", "b", "b"], by_model, 2) == 6
    assert total(["a", "b", "b", "b"], by_model, 1) == 11
    assert total([], by_model, 3) == 0


def test_a_given_spread_becomes_points_and_a_second_model_a_second_level(make_experiment):
    text = plan_experiment(make_experiment("a", "b", "c", seeds=range(10)), spread=0.3)
    corrected = detectable_difference(10, 0.3, alpha=0.025)
    assert f"| 10 (this plan) | 0.30 [{corrected:.2f}] |" in text  # ten pairs detect one standard deviation
    assert "| 3 | 0.98 [" in text
    assert "over 2 models" in text


def test_the_spread_of_finished_runs_is_taken(make_experiment, tmp_path):
    experiment = make_experiment("a", "b", seeds=[0, 1, 2])
    runner.run(experiment)
    file = tmp_path / "out" / "runs.jsonl"
    lines = file.read_text().splitlines()
    values = {("b", 0): 2.0, ("b", 1): 2.0, ("b", 2): 2.0}  # against 1, 2, 3 of the stub: differences 1, 0, -1
    for index, run in enumerate(journal.read(file).runs):
        if (run.model, run.seed) in values:
            lines[index] = lines[index].replace(f'"AP": {run.scores["AP"]}', '"AP": 2.0')
    file.write_text("\n".join(lines) + "\n")
    text = plan_experiment(experiment)
    assert "| seeds | AP, at the spread 1.00 seen so far |" in text
    assert "| 3 (this plan) | 3.26 |" in text
    assert "of which 0 are missing; 1 at once take about 0.0 s" in text
    assert ", 6 runs finished" in text.splitlines()[0]


def test_without_any_spread_differences_are_in_standard_deviations(make_experiment):
    text = plan_experiment(make_experiment("a", "b"))
    assert "standard deviations of the paired differences (give --spread for points)" in text
    assert "| 2 (this plan) | 11.55 |" in text


def test_a_written_plan_is_noted_with_its_digest_and_time(make_experiment, tmp_path):
    file = tmp_path / "plan.md"
    text = plan_experiment(make_experiment("a"), file)
    assert file.read_text(encoding="utf-8") == text
    (note,) = written_plan.read(tmp_path / "out")
    assert (note.file, note.finished_runs) == (str(file), 0)
    assert note.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert note.time in text.splitlines()[0]
    runner.run(make_experiment("a"))
    plan_experiment(make_experiment("a"), tmp_path / "later.md")
    assert [note.finished_runs for note in written_plan.read(tmp_path / "out")] == [0, 2]


def test_a_plan_is_not_overwritten_and_nothing_is_measured_for_it(make_experiment, tmp_path):
    file = tmp_path / "plan.md"
    file.write_text("decided")
    with pytest.raises(FileExistsError, match="a plan is written once; name another file"):
        plan_experiment(make_experiment("a"), file)
    assert file.read_text() == "decided"
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_trained_is_named(make_experiment):
    with pytest.raises(ValueError, match="fails cannot be trained: RuntimeError: no such luck"):
        plan_experiment(make_experiment("a", "fails"))


def test_a_plan_for_other_settings_than_those_of_finished_runs_is_refused(make_experiment):
    runner.run(make_experiment("a"))
    with pytest.raises(FileExistsError, match="lr0 not given, now 0"):
        plan_experiment(make_experiment("a", training={**TRAINING, "lr0": 0.1}))


def test_a_damaged_note_is_named(tmp_path):
    (tmp_path / "plans.jsonl").write_text("{\n")
    with pytest.raises(ValueError, match=r"plans\.jsonl: is damaged"):
        written_plan.read(tmp_path)
