"""Learning rate schedules out of a model YAML: what the optimizer gets in each epoch, against values worked out by hand."""

# ruff: noqa: F811  (fixtures of other files are arguments here)

import csv
from types import SimpleNamespace

import pytest
import yaml
from ultralytics import YOLO

from tests.networks.test_network_commands import folders as pictures  # noqa: F401
from yolo_attn.plugin import lr_schedule

STEPS = {"step": [60, 120, 160], "factor": 0.2}
TRAINING = {
    "imgsz": 32,
    "batch": 4,
    "workers": 0,
    "plots": False,
    "device": "cpu",
    "optimizer": "SGD",
    "lr0": 0.1,
    "warmup_epochs": 0,
    "val": False,
}


@pytest.fixture
def network(tmp_path):
    """A small classifier's file with a given schedule."""

    def write(schedule: object) -> str:
        rows = {"backbone": [[-1, 1, "Conv", [8, 3, 2]]], "head": [[-1, 1, "Classify", ["nc"]]]}
        file = tmp_path / "small-cls.yaml"
        file.write_text(yaml.safe_dump({"nc": 2, **rows, **({"lr_schedule": schedule} if schedule else {})}))
        return str(file)

    return write


def rates(folder) -> list[float]:
    """The learning rate that the trainer wrote down at the end of each epoch."""
    with (folder / "run" / "results.csv").open(encoding="utf-8") as file:
        return [float({key.strip(): value for key, value in row.items()}["lr/pg0"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 0.1), (59, 0.1), (60, 0.02), (119, 0.02), (120, 0.004), (160, 0.0008), (199, 0.0008)]
)
def test_the_rate_drops_after_as_many_epochs_as_the_step_says(epoch, rate):
    assert 0.1 * lr_schedule.share(STEPS, epoch, 200) == pytest.approx(rate)


@pytest.mark.parametrize(("epoch", "rate"), [(0, 1), (25, 81 / 256), (50, 1 / 16), (75, 1 / 256), (100, 0)])
def test_a_polynomial_of_power_4_falls_to_nothing(epoch, rate):
    assert lr_schedule.share({"polynomial": 4}, epoch, 100) == pytest.approx(rate)


def test_the_trainer_follows_the_steps(network, pictures, tmp_path):
    schedule = {"step": [1, 3], "factor": 0.2}
    YOLO(network(schedule)).train(data=str(pictures), epochs=4, project=str(tmp_path), name="run", **TRAINING)
    assert rates(tmp_path) == pytest.approx([0.1, 0.02, 0.02, 0.004], rel=1e-4)


def test_the_trainer_follows_the_polynomial(network, pictures, tmp_path):
    model = YOLO(network({"polynomial": 4}))
    model.train(data=str(pictures), epochs=4, project=str(tmp_path), name="run", **TRAINING)
    assert rates(tmp_path) == pytest.approx([0.1, 0.1 * 81 / 256, 0.1 / 16, 0.1 / 256], rel=1e-3)


def test_a_resumed_training_goes_on_by_its_schedule(network, pictures, tmp_path):
    def stop(trainer):
        if trainer.epoch == 1:
            raise KeyboardInterrupt

    model = YOLO(network({"step": [1, 3], "factor": 0.2}))
    model.add_callback("on_model_save", stop)
    with pytest.raises(KeyboardInterrupt):
        model.train(data=str(pictures), epochs=4, project=str(tmp_path), name="run", **TRAINING)
    YOLO(tmp_path / "run" / "weights" / "last.pt").train(resume=True)
    assert rates(tmp_path) == pytest.approx([0.1, 0.02, 0.02, 0.004], rel=1e-4)


def test_the_warm_up_rises_to_the_rate_of_the_schedule(network, pictures, tmp_path):
    """In its second and last epoch the warm-up is on its way to 0.1 * 0.2, not to 0.1."""
    seen, ends = [], []

    def note(trainer):
        group = next(group for group in trainer.optimizer.param_groups if group["weight_decay"] > 0)
        seen.append(group["lr"])
        warmup = getattr(trainer, "_get_warmup_iterations", lambda batches: max(2 * batches, 100))
        ends.append(warmup(len(trainer.train_loader)))

    model = YOLO(network({"step": [1], "factor": 0.2}))
    model.add_callback("on_train_batch_end", note)
    training = TRAINING | {"warmup_epochs": 2, "epochs": 3, "project": str(tmp_path), "name": "run"}
    model.train(data=str(pictures), **training)
    assert seen[:4] == pytest.approx([0.1 * part * number / ends[0] for number, part in enumerate([1, 1, 0.2, 0.2])])


def test_without_the_key_the_trainer_keeps_its_own_schedule():
    own = object()
    for model_yaml in ({}, {"lr_schedule": None}):
        model = SimpleNamespace(yaml=model_yaml)
        trainer = SimpleNamespace(model=model, lf=own, scheduler=SimpleNamespace(lr_lambdas=[own]))
        lr_schedule.follow(trainer)
        assert trainer.lf is own and trainer.scheduler.lr_lambdas == [own]
    lr_schedule.follow(SimpleNamespace(model=object()))  # torchvision's models have no YAML


def test_the_replicas_of_a_multi_gpu_training_follow_the_schedule_of_the_model_inside():
    inner = SimpleNamespace(yaml={"lr_schedule": {"polynomial": 1}})
    trainer = SimpleNamespace(
        model=SimpleNamespace(module=inner),
        epoch=3,
        start_epoch=0,
        epochs=8,
        scheduler=SimpleNamespace(lr_lambdas=None),
        optimizer=SimpleNamespace(param_groups=[{}, {}]),
    )
    lr_schedule.follow(trainer)
    assert [rate(4) for rate in trainer.scheduler.lr_lambdas] == [0.5, 0.5] and trainer.lf(6) == 0.25


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("cosine", r"found cosine; write \{step"),
        ({"cosine": 3}, r"found \{'cosine': 3\}; write \{step"),
        ({"step": [30, 60]}, r"write \{step: \[60, 120, 160\], factor: 0.2\} or \{polynomial: 4\}"),
        ({"step": [30, 60], "factor": 0.1, "polynomial": 4}, "write"),
        ({"step": [60, 30], "factor": 0.1}, r"later than the last; found \[60, 30\]"),
        ({"step": [30, 30], "factor": 0.1}, "later than the last"),
        ({"step": [0, 30], "factor": 0.1}, "each above 0"),
        ({"step": [0.5], "factor": 0.1}, "list of epochs"),
        ({"step": [], "factor": 0.1}, "list of epochs"),
        ({"step": 30, "factor": 0.1}, "list of epochs"),
        ({"step": [30], "factor": 0}, "factor is a number above 0; found 0"),
        ({"step": [30], "factor": "a tenth"}, "factor is a number above 0"),
        ({"polynomial": -1}, "above 0; found -1"),
        ({"polynomial": True}, "above 0; found True"),
        ({"polynomial": float("nan")}, "above 0; found nan"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(schedule, message):
    with pytest.raises(ValueError, match=message):
        lr_schedule.check(schedule)


def test_a_refused_schedule_stops_the_training_before_its_first_step(network, pictures, tmp_path):
    model, steps = YOLO(network({"step": [3, 1], "factor": 0.2})), []
    model.add_callback("on_train_batch_start", steps.append)
    with pytest.raises(ValueError, match=r"^small-cls.yaml: lr_schedule: .* found \[3, 1\]$"):
        model.train(data=str(pictures), epochs=4, project=str(tmp_path), name="run", **TRAINING)
    assert steps == []


def test_a_step_beyond_the_last_epoch_is_pointed_out(network, pictures, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(lr_schedule.LOGGER, "propagate", True)
    model = YOLO(network({"step": [1, 60], "factor": 0.2}))
    model.train(data=str(pictures), epochs=2, project=str(tmp_path), name="run", **TRAINING)
    assert "a step at 60, which a training of epochs=2 never reaches" in caplog.text
