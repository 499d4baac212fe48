"""The table of two trainings on as many pixels."""

import math
from types import SimpleNamespace

import pytest

from scripts import results
from scripts.reproduce.equal_pixels import LearningRate, data_yaml, save
from yolo_attn.detection.compare import Row
from yolo_attn.visdrone.splits import FOLDERS


def row(way: str, ap: float, megapixels: float, seconds: float) -> Row:
    return Row(way, megapixels, seconds, {"AP": ap, "AP50": 2 * ap, "AR500": 3 * ap}, {"< 8²": math.nan, "≥ 96²": ap})


def test_the_best_of_both_trainings_at_each_budget_is_marked(monkeypatch):
    saved = []
    monkeypatch.setattr(results, "save", lambda *arguments: saved.extend(arguments))
    whole = (
        row(
            "whole-640",
            5.0,
            0.3,
            1.0,
        ),
        row("whole-1280", 9.0, 1.2, 4.0),
    )
    tiles = (row("whole-640", 6.0, 0.3, 2.0), row("tiles-640-overlap-0.2", 8.0, 5.0, 3.0))
    made = results.Made("python -m x", "abc1234", "a CPU")
    save({"whole": whole, "tiles": tiles}, made, "A note.")
    name, columns, table, of, note = saved
    assert (name, of, note) == ("equal-pixels", made, "A note.")
    assert columns == ("trained on", "predicted", "AP", "AP50", "AR500", "megapixels", "seconds", "< 8²", "≥ 96²")
    # Cheapest first. At 0.3 megapixels 6 beats 5; at 3 seconds 8 beats 6, at 5 megapixels it is beaten by 9 at fewer.
    assert table == [
        ("whole", "whole-640", 5.0, 10.0, 15.0, "0.30", "1.00 *", None, 5.0),
        ("tiles", "whole-640", 6.0, 12.0, 18.0, "0.30 *", "2.00 *", None, 6.0),
        ("whole", "whole-1280", 9.0, 18.0, 27.0, "1.20 *", "4.00 *", None, 9.0),
        ("tiles", "tiles-640-overlap-0.2", 8.0, 16.0, 24.0, "5.00", "3.00 *", None, 8.0),
    ]


def test_the_learning_rate_of_few_long_epochs_falls_as_that_of_many_short_ones():
    """Three epochs of eight steps, falling six times from 0.1: once in four steps, to a sixth of the first rate."""
    group = {"initial_lr": 0.1, "lr": 0.1}
    trainer = SimpleNamespace(
        epochs=3, train_loader=range(8), lf=lambda epoch: 1 - epoch / 3, optimizer=SimpleNamespace(param_groups=[group])
    )
    rate, rates = LearningRate(6), []
    for _ in range(24):
        rate(trainer)
        rates.append(group["lr"])
    assert rates == pytest.approx([0.1 * (6 - fall) / 6 for fall in range(6) for _ in range(4)])


def test_the_data_yaml_of_a_drawn_set_names_its_splits(tmp_path):
    path = data_yaml(tmp_path / "data.yaml", tmp_path, "images", {"ignored": "fill"})
    text = path.read_text(encoding="utf-8")
    assert f"train: {FOLDERS['train']}/images\n" in text
    assert f"val: {FOLDERS['val']}/images\n" in text
    assert "ignored: fill\n" in text
