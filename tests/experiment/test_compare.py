"""Comparisons from made-up records and detection files."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.experiment.runs import finished_run
from yolo_attn.experiment import comparison
from yolo_attn.experiment.compare import compare
from yolo_attn.experiment.records import FinishedRun, LastEpoch
from yolo_attn.experiment.statistics_table import section
from yolo_attn.experiment.validation_set import read_validation_set
from yolo_attn.visdrone.annotations import NAMES, write
from yolo_attn.visdrone.evaluation.evaluate import evaluate_submission
from yolo_attn.visdrone.evaluation.submission import Submission

PICTURES = 24
MODELS = ("plain", "ema")
SEEDS = (0, 1, 2)


def boxes_of(number: int) -> np.ndarray:
    """(N, 8) rows of one picture: two to five boxes of the first three classes."""
    generator = np.random.default_rng(number)
    rows = np.ones((int(generator.integers(2, 6)), 8))
    rows[:, :2], rows[:, 2:4] = generator.integers(0, 40, (len(rows), 2)), generator.integers(6, 24, (len(rows), 2))
    rows[:, 5] = generator.integers(1, 4, len(rows))
    return rows


def draw_set(root: Path, official: bool) -> Path:
    """Write pictures, labels and, if asked for, official annotations; return the data YAML."""
    for part in ("images", "labels", *(["annotations"] if official else [])):
        (root / "val" / part).mkdir(parents=True)
    for number in range(PICTURES):
        rows = boxes_of(number)
        cv2.imwrite(str(root / "val" / "images" / f"{number:03d}.png"), np.zeros((64, 64, 3), np.uint8))
        labels = [
            f"{row[5] - 1:.0f} {(x + w / 2) / 64} {(y + h / 2) / 64} {w / 64} {h / 64}\n"
            for row in rows
            for x, y, w, h in [row[:4]]
        ]
        (root / "val" / "labels" / f"{number:03d}.txt").write_text("".join(labels))
        if official:
            write(root / "val" / "annotations" / f"{number:03d}.txt", rows)
    names = NAMES if official else ("circle", "square", "star")
    file = root / "set.yaml"
    file.write_text(f"path: {root}\ntrain: val/images\nval: val/images\nnames: {dict(enumerate(names))}\n")
    return file


def store(folder: Path, shift: float, seed: int) -> None:
    """Write detections of the boxes moved by up to `shift` pixels, and two of nothing in each picture."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    for number in range(PICTURES):
        rows = np.concatenate([boxes_of(number), [[50, 50, 6, 6, 1, 1, 0, 0], [2, 50, 5, 9, 1, 2, 0, 0]]])
        rows[:, :4] += generator.uniform(-shift, shift, (len(rows), 4))
        rows[:, 4] = np.sort(generator.uniform(0.1, 1, len(rows)))[::-1]
        write(folder / f"{number:03d}.txt", rows, 6)


def runs_in(root: Path, last: bool = True, shifts: dict[str, float] | None = None) -> list[tuple[FinishedRun, Path]]:
    """Runs of both models and all seeds with stored detections; EMA's boxes lie better."""
    runs = []
    for model, shift in (shifts or {"plain": 4.0, "ema": 2.0}).items():
        for seed in SEEDS:
            folder = root / f"{model}-seed{seed}"
            store(folder / "detections", shift + seed / 10, seed)
            value = 10 + seed if model == "plain" else 12 + 1.5 * seed
            changes = {}
            if last:
                store(folder / "detections-last", shift + seed / 10, seed)
                run = finished_run(model, seed, value)
                changes["last"] = LastEpoch(run.scores, run.per_class)
            runs.append((finished_run(model, seed, value, **changes), folder))
    return runs


@pytest.fixture(scope="module")
def visdrone(tmp_path_factory):
    root = tmp_path_factory.mktemp("visdrone")
    data = draw_set(root / "set", official=True)
    runs = runs_in(root / "runs")
    return data, runs, compare(MODELS, runs, data)


def entry(statistics, metric, checkpoint):
    (found,) = [e for e in statistics.comparisons if (e.metric, e.checkpoint) == (metric, checkpoint)]
    return found


def test_the_official_ap_of_each_seed_is_that_of_the_evaluation(visdrone):
    data, runs, statistics = visdrone
    validation = read_validation_set(data)
    official = {
        (run.model, run.seed): evaluate_submission(Submission(validation.frames(folder / "detections"), ())).official[
            "AP"
        ]
        for run, folder in runs
    }
    expected = [official["ema", seed] - official["plain", seed] for seed in SEEDS]
    found = entry(statistics, "AP", "best")
    assert found.seeds == SEEDS
    assert found.by_seed == pytest.approx(expected, abs=1e-9)
    assert found.difference == pytest.approx(np.mean(expected))
    assert found.low < found.difference < found.high
    assert found.p == found.p_holm  # one model is no family


def test_the_last_epoch_leads_and_both_are_compared(visdrone):
    statistics = visdrone[2]
    assert (statistics.checkpoint, statistics.metric, statistics.protocol) == ("last", "AP", "VisDrone")
    assert statistics.method == "seeds and pictures"
    assert {(e.metric, e.checkpoint) for e in statistics.comparisons} == {
        (metric, checkpoint) for metric in ("mAP50", "mAP50-95", "AP", "AP50") for checkpoint in ("last", "best")
    }
    assert entry(statistics, "mAP50", "best").method == "seeds"  # of the records, which have no resamples


def test_classes_and_sizes_that_the_set_has_are_compared(visdrone):
    parts = visdrone[2].parts
    assert {part.name for part in parts if part.kind == "class"} == set(NAMES[:3])
    assert {part.name for part in parts if part.kind == "size"} == {"below 8²", "8² to 16²", "16² to 32²"}
    assert all(part.q >= part.p for part in parts)


def test_errors_of_every_model_and_the_most_changed_pictures_are_listed(visdrone):
    statistics = visdrone[2]
    plain, ema = statistics.errors
    assert plain.kinds[0].kind == "class"
    assert plain.AP50 < ema.AP50
    changes = [abs(picture.change) for picture in statistics.changed_pictures]
    assert changes == sorted(changes, reverse=True)
    assert Path(statistics.changed_pictures[0].image).is_file()


def test_the_file_is_read_as_it_was_written(visdrone, tmp_path):
    comparison.write(tmp_path, visdrone[2])
    assert comparison.read(tmp_path) == visdrone[2]
    (tmp_path / comparison.NAME).write_text("{}")
    with pytest.raises(ValueError, match=r"statistics.json: is no statistics of an experiment"):
        comparison.read(tmp_path)


def test_a_set_in_yolo_format_is_compared_by_coco_ap(tmp_path):
    data = draw_set(tmp_path / "set", official=False)
    runs = [(run, folder) for run, folder in runs_in(tmp_path / "runs")]
    statistics = compare(MODELS, runs, data)
    assert (statistics.protocol, statistics.metric) == ("COCO", "COCO AP")
    assert entry(statistics, "COCO AP", "last").difference > 5
    assert {part.name for part in statistics.parts if part.kind == "class"} == {"circle", "square", "star"}


def test_older_runs_are_compared_at_the_best_epoch_and_the_statistics_say_so(visdrone, tmp_path):
    statistics = compare(MODELS, runs_in(tmp_path, last=False), visdrone[0])
    assert statistics.checkpoint == "best"
    assert {e.checkpoint for e in statistics.comparisons} == {"best"}
    assert any("not every run has scores of it" in sentence for sentence in statistics.not_defined)


def test_runs_without_detections_are_compared_by_their_records(visdrone, tmp_path):
    runs = [(run, tmp_path / folder.name) for run, folder in visdrone[1]]
    statistics = compare(MODELS, runs, visdrone[0])
    assert statistics.protocol is None
    assert entry(statistics, "AP", "best").method == "seeds"
    assert entry(statistics, "AP", "best").difference == pytest.approx(2.5)  # 2, 2.5 and 3
    assert any(
        "holds no detections" in sentence and "(and 5 more runs)" in sentence for sentence in statistics.not_defined
    )


def test_detections_of_other_pictures_are_refused_in_one_sentence(visdrone, tmp_path):
    runs = runs_in(tmp_path)
    (runs[0][1] / "detections-last" / "003.txt").rename(runs[0][1] / "detections-last" / "other.txt")
    statistics = compare(MODELS, runs, visdrone[0])
    assert entry(statistics, "AP", "last").seeds == (1, 2)
    (sentence,) = [s for s in statistics.not_defined if "other pictures" in s]
    assert "none for 003 and 1 more" in sentence and "\n" not in sentence


def test_one_seed_has_no_interval(visdrone):
    runs = [(run, folder) for run, folder in visdrone[1] if run.seed == 1]
    statistics = compare(MODELS, runs, visdrone[0])
    found = entry(statistics, "AP", "last")
    assert (found.low, found.high, found.p, found.p_holm, found.method) == (None,) * 5
    assert [interval.method for interval in found.intervals] == ["pictures"]
    expected = "ema: no interval of mAP50, mAP50-95, AP, AP50, as one seed has no spread"
    assert statistics.not_defined == (expected,)


def test_models_that_do_the_same_have_no_interval(visdrone, tmp_path):
    runs = runs_in(tmp_path, shifts={"plain": 3.0, "ema": 3.0})
    statistics = compare(MODELS, runs, visdrone[0])
    found = entry(statistics, "AP", "last")
    assert (found.difference, found.low, found.p) == (0, None, None)
    assert "ema: no interval of AP, AP50, as all differences are the same" in statistics.not_defined
    assert statistics.changed_pictures == ()


def test_a_model_without_a_seed_of_the_baseline_is_named(visdrone):
    runs = [(run, folder) for run, folder in visdrone[1] if run.model == "plain"]
    statistics = compare((*MODELS, "eca"), runs, visdrone[0])
    assert statistics.comparisons == statistics.parts == ()
    assert statistics.not_defined == ("ema: has no seed in common with plain", "eca: has no seed in common with plain")


def test_an_absent_data_set_is_one_sentence(visdrone, tmp_path):
    statistics = compare(MODELS, visdrone[1], tmp_path / "nowhere.yaml")
    assert entry(statistics, "AP", "last").method == "seeds"
    assert any("nowhere.yaml" in sentence for sentence in statistics.not_defined)


def test_the_section_has_both_epochs_the_errors_and_what_is_not_defined(visdrone):
    statistics = visdrone[2]
    text = "\n".join(section(statistics))
    found = entry(statistics, "AP", "last")
    assert f"| ema | {found.difference:+.2f} [{found.low:+.2f}, {found.high:+.2f}]" in text
    assert "| model | class | localisation | both | duplicate | background | missed |" in text
    assert "chosen by its score on these pictures" in text
