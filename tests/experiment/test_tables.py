"""Numbers of the tables by hand calculation from made-up records."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.experiment.runs import environment, finished_run
from yolo_attn.experiment import plots, tables
from yolo_attn.experiment.plan import Experiment
from yolo_attn.experiment.records import CarriedWeights, FailedRun, FinishedRun, Outcome
from yolo_attn.experiment.summary import Difference, Mean, difference, summarise

MODELS = ("plain", "ema", "eca")
AP = {
    ("plain", 0): 10.0,
    ("plain", 1): 12.0,
    ("plain", 2): 14.0,
    ("ema", 0): 11.0,
    ("ema", 1): 14.0,
    ("ema", 2): 15.0,
    ("eca", 1): 13.5,
}


def record(model: str, seed: int, **changes: Any) -> FinishedRun:
    return finished_run(model, seed, AP[model, seed], parameters=2_000_000 + MODELS.index(model), **changes)


RUNS = [record(*key) for key in AP]
EXPERIMENT = Experiment(
    models=["plain.yaml", "ema.yaml", "eca.yaml"],
    data="data.yaml",
    seeds=[0, 1, 2],
    epochs=2,
    out=Path("out"),
    training={"imgsz": 64},
)


# The usual printed table of Student's t for 95 % in the middle.
@pytest.mark.parametrize(
    ("pairs", "t"),
    [(2, 12.706), (3, 4.303), (4, 3.182), (5, 2.776), (6, 2.571), (10, 2.262), (31, 2.042), (121, 1.980)],
)
def test_the_interval_is_that_of_students_t_with_one_degree_of_freedom_less_than_pairs(pairs, t):
    differences = {seed: float(seed % 2) for seed in range(pairs)}
    interval = difference(differences, dict.fromkeys(differences, 0.0))
    ones = pairs // 2  # mean p = ones / pairs, variance pairs * p * (1 - p) / (pairs - 1)
    p = ones / pairs
    half = t * math.sqrt(p * (1 - p) / (pairs - 1))
    assert (interval.low, interval.high) == (pytest.approx(p - half, abs=1e-3), pytest.approx(p + half, abs=1e-3))


def test_mean_and_deviation_are_those_of_the_sample():
    score = summarise(MODELS, RUNS)[0].scores["AP"]  # 10, 12, 14: squares of 2, 0, 2, over 2
    assert (score.value, score.deviation, score.n) == (pytest.approx(12), pytest.approx(2), 3)


def test_the_difference_is_paired_by_seed_with_a_95_percent_interval():
    interval = summarise(MODELS, RUNS)[1].differences["AP"]
    # 1, 2, 1: mean 4/3, variance (1/9 + 4/9 + 1/9) / 2 = 1/3, half width 4.302653 * sqrt(1/3) / sqrt(3) = 4.302653 / 3
    assert interval.value == pytest.approx(4 / 3)
    assert interval.low == pytest.approx(4 / 3 - 4.302653 / 3, abs=1e-6)
    assert interval.high == pytest.approx(4 / 3 + 4.302653 / 3, abs=1e-6)
    assert interval.n == 3


def test_a_single_pair_has_a_difference_and_no_interval():
    summary = summarise(MODELS, RUNS)[2]
    assert summary.differences["AP"] == Difference(1.5, None, None, 1)
    assert summary.scores["AP"] == Mean(13.5, None, 1)


def test_seeds_that_the_baseline_lacks_are_in_the_mean_and_in_no_difference():
    summary = summarise(MODELS, [r for r in RUNS if (r.model, r.seed) != ("plain", 0)])[1]
    assert summary.scores["AP"].n == 3
    assert (summary.differences["AP"].value, summary.differences["AP"].n) == (pytest.approx(1.5), 2)


def test_the_baseline_differs_from_nothing():
    assert summarise(MODELS, RUNS)[0].differences == {}


def text(records=RUNS, failed=()) -> str:
    outcome = Outcome(models=MODELS, runs=tuple(records), failed=tuple(failed))
    return tables.markdown(EXPERIMENT.command, outcome, summarise(MODELS, records))


@pytest.mark.parametrize(
    "line",
    [
        "| plain | 2,000,000 | 7.25 | 24.00 ± 4.00 | 6.00 ± 1.00 | 12.00 ± 2.00 | 36.00 ± 6.00 | 6.0 ± 1.0 | 3 |",
        "| eca | 2,000,002 | 7.25 | 27.00 | 6.75 | 13.50 | 40.50 | 6.0 | 1 |",
        "| ema | +2.67 [-0.20, +5.54], 3 | +0.67 [-0.05, +1.38], 3 | +1.33 [-0.10, +2.77], 3 | +4.00 [-0.30, +8.30], 3 |",
        "| eca | +3.00, 1 | +0.75, 1 | +1.50, 1 | +4.50, 1 |",
        "`yolo-attn bench --models plain.yaml,ema.yaml,eca.yaml --data data.yaml --seeds 0,1,2 --epochs 2 --out out imgsz=64`",
    ],
    ids=["all seeds", "one seed", "interval", "one pair", "command"],
)
def test_the_markdown_has_the_line(line):
    assert line in text().splitlines()


def test_failed_and_resumed_runs_and_models_without_any_are_named():
    records = [record("plain", 0, resumed_after=[3, 7]), record("ema", 0)]
    table = text(records, [FailedRun(model="eca", seed=0, error="ValueError: no", log="log.txt")])
    assert "| eca | - | - | - | - | - | - | - | 0 |" in table
    assert "- plain, seed 0, was cut and resumed after epoch 3, 7:" in table
    assert "- FAILED: eca, seed 0: ValueError: no" in table


def test_a_data_set_without_official_annotations_has_no_official_column():
    table = text([record("plain", 0, official=False), record("ema", 0, official=False)])
    assert "official AP" not in table
    assert tables.ULTRALYTICS in table


def test_conditions_that_differ_between_runs_are_both_named():
    table = text([record("plain", 0), record("ema", 0, batch=2), record("ema", 1)])
    assert (
        "- Conditions: device a CPU, threads 1, torch 2, ultralytics 8, python 3, yolo_attn 0, commit abc, imgsz 64, batch 2 and 4."
        in table
    )


def test_the_share_of_weights_from_a_checkpoint_is_named_for_each_model():
    weights = {name: CarriedWeights("base.pt", 2000, carried) for name, carried in (("plain", 2000), ("ema", 1990))}
    table = text([record(name, seed, carried=weights[name]) for name in weights for seed in (0, 1)])
    assert "- Parameters that started from base.pt: plain 100.0%, ema 99.5%." in table.splitlines()
    assert "started from" not in text()


def test_a_run_on_another_machine_is_named():
    table = text([record("plain", 0), record("ema", 0, environment=replace(environment(), device="a GPU"))])
    assert "device a CPU and a GPU" in table


def test_writing_gives_the_text_of_the_file_and_the_numbers(tmp_path):
    outcome = Outcome(models=MODELS, runs=tuple(RUNS), failed=())
    written = tables.write(tmp_path, EXPERIMENT.command, outcome)
    assert written == text() == (tmp_path / "table.md").read_text(encoding="utf-8")
    assert (tmp_path / "table.csv").read_text().startswith("model,seeds,")


def test_nothing_finished_is_said():
    assert "- No run is finished." in text([])


def test_the_csv_has_the_same_numbers_in_full():
    rows = list(csv.DictReader(io.StringIO(tables.comma_separated(summarise(MODELS, RUNS)))))
    assert [row["model"] for row in rows] == [*MODELS]
    assert rows[1]["seeds"] == "0 1 2"
    assert float(rows[1]["AP_difference"]) == pytest.approx(4 / 3)
    assert float(rows[1]["AP_low"]) == pytest.approx(4 / 3 - 4.302653 / 3, abs=1e-6)
    assert (rows[0]["AP_difference"], rows[2]["AP_std"], rows[2]["AP_low"]) == ("", "", "")


@pytest.mark.parametrize(
    ("models", "records", "expected"),
    [
        (MODELS, RUNS, {"curves.png", "ap-latency.png", "per-class.png"}),
        (MODELS[:1], RUNS[:3], {"curves.png", "ap-latency.png"}),
        (MODELS, [], set()),
    ],
    ids=["three models", "the baseline alone", "nothing"],
)
def test_plots_are_drawn_of_what_there_is(tmp_path, models, records, expected):
    plots.write(tmp_path, models, records)
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_curves_show_the_mean_and_the_range_of_the_seeds():
    axes = plots.curves(MODELS[:2], RUNS).axes[1]  # mAP50-95 at epoch 2: 5, 6, 7 of the baseline
    line, (band, *_) = axes.lines[0], axes.collections
    assert line.get_ydata().tolist() == pytest.approx([3, 6])
    second = band.get_paths()[0].vertices
    assert {round(y, 6) for x, y in second if x == 2} == {5, 7}
