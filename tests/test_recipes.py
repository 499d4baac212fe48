"""The argument files of cfg/recipes: found by bare name, known to Ultralytics to the last key, and trained for a step on drawn pictures."""

# ruff: noqa: F811  (fixtures of other files are arguments here)

import csv
import re
from pathlib import Path

import pytest
import yaml
from ultralytics import YOLO
from ultralytics.cfg import DEFAULT_CFG_DICT, get_cfg
from ultralytics.nn.tasks import guess_model_task, yaml_model_load
from ultralytics.utils.checks import check_file, check_yaml

from tests.networks.test_network_commands import folders as pictures  # noqa: F401
from tests.test_commands import YOLO as YOLO_COMMAND
from tests.test_commands import data, run  # noqa: F401
from yolo_attn.plugin import lr_schedule

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path.stem for path in (ROOT / "cfg" / "recipes").glob("*.yaml"))
PAPERS = [name for name in RECIPES if name != "demo"]
CLASSIFIERS = [name for name in PAPERS if name.endswith(("cifar100", "imagenet"))]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
# An epoch of one batch; a recipe's own data are gigabytes.
ONE_STEP = {"imgsz": 32, "epochs": 1, "batch": 8, "nbs": 8, "workers": 0, "plots": False, "device": "cpu"}


def arguments(name: str) -> dict:
    """What a recipe says."""
    return yaml.safe_load((ROOT / "cfg" / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_found_by_bare_name_and_has_no_unknown_key(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(check_yaml(f"{name}.yaml")) == ROOT / "cfg" / "recipes" / f"{name}.yaml"
    args = get_cfg(DEFAULT_CFG_DICT, arguments(name))
    assert Path(check_file(args.model, hard=False) or check_file(re.sub(r"(\d)[nsx]-", r"\1-", args.model))).is_file()


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_avoids_what_the_defaults_would_change(name):
    """optimizer=auto discards lr0; a classifier's weight decay is scaled by batch / nbs, its pictures are changed at random."""
    args = arguments(name)
    model = yaml_model_load(args["model"])
    assert args["optimizer"] == "SGD"
    assert args["task"] == guess_model_task(model)
    if name in CLASSIFIERS:
        assert args["nbs"] == args["batch"]
        assert (args["auto_augment"], args["erasing"], args["warmup_epochs"]) == (None, 0, 0)
        assert (
            args["data"] in {"cifar100", "imagenet"}
            and model["nc"] == {"cifar100": 100, "imagenet": 1000}[args["data"]]
        )


# Learning rates at the start and after each drop, in the epochs of the papers, counted from 0.
RATES = {
    "ema-cifar100": {0: 0.1, 59: 0.1, 60: 0.02, 120: 0.004, 160: 0.0008, 199: 0.0008},
    "gam-cifar100": {0: 0.1, 59: 0.1, 60: 0.02, 120: 0.004, 160: 0.0008, 199: 0.0008},
    "gam-imagenet": {0: 0.1, 29: 0.1, 30: 0.01, 60: 0.001, 89: 0.001},
    "gam-mobilenet-imagenet": {0: 0.045, 30: 0.0045, 60: 0.00045},
    "emca-imagenet": {0: 0.1, 30: 0.01, 60: 0.001, 90: 0.0001, 99: 0.0001},
    "dmsanet-imagenet": {0: 0.1, 30: 0.01, 60: 0.001, 90: 0.0001, 99: 0.0001},
    "emca-kitti": {0: 0.1, 50: 0.1 / 16, 75: 0.1 / 256},
}


@pytest.mark.parametrize(("name", "rates"), RATES.items())
def test_the_learning_rate_falls_as_in_the_paper(name, rates):
    args = arguments(name)
    schedule = yaml_model_load(args["model"])["lr_schedule"]
    lr_schedule.check(schedule)
    found = {epoch: args["lr0"] * lr_schedule.share(schedule, epoch, args["epochs"]) for epoch in rates}
    assert found == pytest.approx(rates)
    assert max(schedule.get("step", [0])) < args["epochs"]


def slow(name: str):
    return pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)


QUICK = {"ema-coco"}  # the command below trains another; the rest are their like, or large


@pytest.mark.parametrize("name", [slow(name) for name in PAPERS])
def test_a_recipe_trains_a_step(name, pictures, data, tmp_path):
    args = arguments(name)
    steps = []
    model = YOLO(args["model"], task=args["task"])
    model.add_callback("on_train_batch_end", lambda trainer: steps.append(trainer.optimizer.param_groups[0]["lr"]))
    tiny = ONE_STEP | {"data": str(pictures if name in CLASSIFIERS else data), "project": str(tmp_path), "name": "run"}
    model.train(cfg=f"{name}.yaml", **tiny, val=False)
    assert len(steps) == 1 and model.trainer.args.optimizer == "SGD"
    if name in CLASSIFIERS:
        assert steps == pytest.approx([args["lr0"]])
    assert (tmp_path / "run" / "weights" / "last.pt").is_file()


def test_the_command_of_the_page_trains_and_arguments_behind_it_win(pictures, tmp_path):
    settings = {**ONE_STEP, "data": pictures, "project": tmp_path, "name": "run"}
    behind = [f"{key}={value}" for key, value in settings.items()]
    run(YOLO_COMMAND, "train", "cfg=ema-cifar100.yaml", *behind, cwd=tmp_path)
    used = yaml.safe_load((tmp_path / "run" / "args.yaml").read_text())
    assert (used["task"], used["epochs"], used["lr0"], used["auto_augment"]) == ("classify", 1, 0.1, None)
    with (tmp_path / "run" / "results.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float({key.strip(): value for key, value in row.items()}["lr/pg0"]) == pytest.approx(0.1)


@pytest.mark.parametrize("name", PAPERS)
def test_the_page_has_a_command_for_every_recipe(name):
    assert f"yolo train cfg={name}.yaml" in PAGE
    assert f"yolo train cfg={name}.yaml" in (ROOT / "cfg" / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def test_every_file_that_the_page_names_is_there():
    names = set(re.findall(r"\w[\w/.-]+\.yaml", PAGE))
    shipped = {path.name for folder in ("cfg", "cfg/recipes", "data") for path in (ROOT / folder).glob("*.yaml")}
    stock = {"cls.yaml", "coco.yaml", "kitti.yaml", "ImageNet.yaml", "VisDrone.yaml"}
    scaled = {re.sub(r"^(yolov5)[nsx]", r"\1", Path(name).name) for name in names}
    assert scaled - shipped - stock == set()
