"""What `load()` leaves alone, what it carries, and what it says about it."""

import copy
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.tasks import BaseModel, DetectionModel

import yolo_attn
from tests.plugin.inputs import detector, logged
from tests.stock_loads_worker import built, digest, loaded
from yolo_attn.model_yaml import edit, inside
from yolo_attn.plugin import weights
from yolo_attn.plugin.files import find, is_shipped
from yolo_attn.plugin.renumbering import STOCK_WIDENS_CLASS_BRANCHES
from yolo_attn.plugin.weights import Transfer

ROOT = Path(__file__).parents[2]
STOCK = sorted((Path(ultralytics.__file__).parent / "cfg" / "models").rglob("*.yaml"))
widening = pytest.mark.skipif(not STOCK_WIDENS_CLASS_BRANCHES, reason="this Ultralytics leaves class branches narrow")


def stock_names() -> list[str]:
    """Every stock model that has a scale n, at that scale, and the smallest of the families without scales."""
    scaled = [file.name for file in STOCK if "n" in yaml.safe_load(file.read_text(encoding="utf-8")).get("scales", {})]
    named = [re.sub(r"^(yolo(?:e-)?v?\d+)n?", r"\1n", name) for name in scaled]
    return named + [name for name in ("yolov3-tiny.yaml", "yolov9t.yaml") if any(file.name == name for file in STOCK)]


def stock_load(source: nn.Module, target: nn.Module) -> str:
    """The digest of a copy of the target that has loaded the source by Ultralytics alone."""
    torch.manual_seed(0)
    target = copy.deepcopy(target)
    BaseModel.load.__wrapped__(target, source, verbose=False)
    return digest(target)


def arrived(source: nn.Module, target: nn.Module) -> float:
    """The share of the target's parameters that come from the source, seen by loading numbers that are none."""
    source, target = copy.deepcopy(source), copy.deepcopy(target)
    with torch.no_grad():
        for value in source.state_dict().values():
            if value.is_floating_point():
                value.fill_(float("nan"))
    target.load(source, verbose=False)
    values = torch.cat([value.flatten() for value in target.parameters()])
    return values.isnan().double().mean().item()


# ---- stock models ----


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("yolov8n.yaml", "yolov8n-worldv2.yaml"),
        ("yolov8n.yaml", "yolov8n-p2.yaml"),
        ("yolov8n.yaml", "yolo11n.yaml"),
        ("yolo11n.yaml", "yolo11n-seg.yaml"),
        ("yolov5n.yaml", "yolov8n-cls.yaml"),
        ("yolov8n-rtdetr.yaml", "yolov8n.yaml"),
    ],
)
def test_a_stock_model_loads_a_stock_model_as_without_the_plugin(source, target):
    source, target = built(source, seed=0), built(target, seed=1)
    assert loaded(source, target) == stock_load(source, target) != digest(target)


@pytest.mark.slow
def test_every_stock_model_loads_every_other_as_without_the_plugin():
    worker, names = ROOT / "tests" / "stock_loads_worker.py", stock_names()

    def loads(autoload: str) -> dict:
        environment = {**os.environ, "YOLO_ATTN_AUTOLOAD": autoload}
        printed = subprocess.check_output([sys.executable, worker, *names], env=environment, text=True)
        return json.loads(printed.splitlines()[-1])

    with_plugin, without = loads("1"), loads("0")
    assert (with_plugin.pop("plugin"), without.pop("plugin")) == (True, False)
    assert len(with_plugin) == len(names) ** 2 > 400
    assert {pair: value for pair, value in with_plugin.items() if value != without[pair]} == {}
    print(
        f"{len(with_plugin)} loads between {len(names)} stock models, {sum('(' in v for v in without.values())} raise"
    )


def test_no_stock_yaml_counts_as_one_of_cfg():
    models = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in STOCK]
    assert len(models) > 20
    assert not any(is_shipped(model) for model in models)


# ---- which models are aligned ----


def p2_rows_of_the_source(model: nn.Module, source: nn.Module) -> bool:
    """Whether row 8, the last C3 of the backbone, and row 30, which is row 23 of yolov5, came from the source."""
    pairs = [(8, 8), (23, 30)]
    return all(torch.equal(source.model[a].cv3.conv.weight, model.model[b].cv3.conv.weight) for a, b in pairs)


def test_a_baseline_of_cfg_takes_the_weights_as_its_attention_variants_do():
    source, baseline, variant = (
        detector(f"yolov5n{name}.yaml", seed=s) for s, name in enumerate(("", "-p2", "-p2-ema"))
    )
    assert p2_rows_of_the_source(copy_loaded(baseline, source), source)
    carried = [yolo_attn.transfer(source, model) for model in (baseline, variant)]
    assert carried[0].carried_tensors == carried[1].carried_tensors == len(source.state_dict())


def copy_loaded(target: nn.Module, source: nn.Module) -> nn.Module:
    target = copy.deepcopy(target)
    target.load(source, verbose=False)
    return target


def test_a_baseline_of_cfg_is_known_from_its_checkpoint_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    model = YOLO("cfg/yolov5-p2.yaml")
    model.save(tmp_path / "p2.pt")
    monkeypatch.chdir(tmp_path)
    source = detector("yolov5n.yaml")
    target = YOLO("p2.pt").model
    target.load(source, verbose=False)
    assert p2_rows_of_the_source(target, source)


def test_a_copy_of_a_file_of_cfg_is_aligned_and_an_edited_one_is_not(tmp_path):
    source = detector("yolov5n.yaml")
    mine = Path(shutil.copy(find("yolov5-p2.yaml"), tmp_path / "mine.yaml"))
    assert p2_rows_of_the_source(copy_loaded(detector(str(mine), seed=1), source), source)
    mine.write_text(mine.read_text().replace("[1024, False]", "[512, False]"))
    edited = detector(str(mine), seed=1)
    assert loaded(source, edited) == stock_load(source, edited)


def test_a_source_with_attention_is_aligned_to_a_stock_model():
    source, target = detector("yolov5n-ema.yaml"), detector("yolov5n.yaml", seed=1)
    carried = yolo_attn.transfer(source, copy.deepcopy(target))
    assert carried.share == 1
    target.load(source, verbose=False)
    assert torch.equal(target.model[-1].cv2[0][0].conv.weight, source.model[-1].cv2[0][0].conv.weight)


def test_weights_move_between_stock_blocks_and_blocks_with_attention_inside():
    stock, inside = detector("yolo11n.yaml"), detector("yolo11n-ema-inside.yaml", seed=1)
    there = yolo_attn.transfer(stock, inside)
    assert (there.carried_tensors, there.source_tensors) == (len(stock.state_dict()),) * 2
    assert there.carried_parameters == there.parameters - there.new_parameters
    assert there.new_parameters == sum(
        value.numel() for key, value in inside.named_parameters() if key not in stock.state_dict()
    )
    back = yolo_attn.transfer(inside, detector("yolo11n.yaml", seed=2))
    assert back.share == 1


def test_rows_behind_inserted_ones_carry_the_attention_inside_them(tmp_path):
    source = detector("yolov8n-ema-inside.yaml")
    text = find("yolov8-ema-inside.yaml").read_text(encoding="utf-8")
    target = detector({**yaml.safe_load(edit.insert(text, 2, "ECA")), "scale": "n"}, seed=1)
    target.load(source, verbose=False)
    given = {key: value for key, value in source.state_dict().items() if "8.m.0.cv2.act.EMA" in key}
    assert len(given) == 6
    assert all(torch.equal(target.state_dict()[key.replace("8.m", "9.m", 1)], value) for key, value in given.items())


def test_a_layer_never_takes_the_weights_of_another_class_in_its_place():
    models = []
    for layer in ("EMA", "EMANoCross"):  # all their tensors have the same names and shapes
        text = find("yolov8-ema-inside.yaml").read_text(encoding="utf-8").replace("EMA(", f"{layer}(")
        models.append(detector({**yaml.safe_load(text), "scale": "n"}, seed=len(models)))
    source, target = models
    before = copy.deepcopy(target.state_dict())
    target.load(source, verbose=False)
    assert all(torch.equal(target.state_dict()[key], before[key]) for key in before if "EMANoCross" in key)


def test_attention_inside_blocks_does_not_keep_a_row_from_its_counterpart():
    source = detector("yolov8n.yaml")
    text = inside.insert_inside(find("yolov8-p2.yaml").read_text(encoding="utf-8"), ["ECA"], ["all"])
    target = detector({**yaml.safe_load(text), "scale": "n"}, seed=1)
    plain = yolo_attn.transfer(source, detector("yolov8n-p2.yaml", seed=1))
    carried = yolo_attn.transfer(source, target)
    assert carried.carried_tensors == plain.carried_tensors
    assert carried.matched == plain.matched


def test_transfer_aligns_stock_models_too():
    source, target = detector("yolov8n.yaml"), detector("yolov8n-p2.yaml", seed=1)
    carried = yolo_attn.transfer(source, target)
    assert carried.share > 0.88
    assert carried.share == pytest.approx(share_equal(source, target, carried), abs=1e-12)


def share_equal(source: nn.Module, target: nn.Module, carried: Transfer) -> float:
    """The share of the target's parameters whose value stands in the row of the source that is paired with theirs."""
    pairs = {b: a for a, b in carried.matched}
    count = total = 0
    for index, row in enumerate(target.model):
        given = [value for value in source.model[pairs[index]].parameters()] if index in pairs else []
        for value in row.parameters():
            total += value.numel()
            count += value.numel() * any(other.shape == value.shape and torch.equal(other, value) for other in given)
    return count / total


def test_transfer_into_yolo_world_works_where_rows_cannot_run_by_themselves():
    source, target = built("yolov8n.yaml", seed=0), built("yolov8n-worldv2.yaml", seed=1)
    carried = yolo_attn.transfer(source, target)
    assert carried.matched[:10] == tuple((row, row) for row in range(10))


@pytest.mark.parametrize("key", ["model", "ema"])
def test_a_raw_checkpoint_is_loaded_as_its_model(key):
    source, target = detector("yolov5n.yaml"), detector("yolov5n-ema.yaml", seed=1)
    checkpoint = {"model": detector("yolov5n.yaml", seed=2), "ema": None} | {key: source}
    target.load(checkpoint, verbose=False)
    assert torch.equal(target.model[10].cv1.conv.weight, source.model[9].cv1.conv.weight)  # SPPF behind EMA


# ---- what the report says ----


@widening
@pytest.mark.parametrize(
    ("source", "target", "share"),
    [
        ("yolov5n.yaml", "yolov5n-ema.yaml", 0.999),
        ("yolov8n.yaml", "yolov8n-ema.yaml", 0.999),
        ("yolo11n.yaml", "yolo11n-ema.yaml", 0.999),
        ("yolov5n.yaml", "yolov5n-p2-ema.yaml", 0.907),
        ("yolov8n.yaml", "yolov8n-p2.yaml", 0.942),
    ],
)
def test_of_80_classes_all_but_the_last_convolutions_reach_10(source, target, share, caplog):
    source, target = detector(source), detector(target, nc=10, seed=1)
    before = copy.deepcopy(target)
    with logged(caplog):
        carried = yolo_attn.transfer(source, target)
    assert carried.share == pytest.approx(share, abs=6e-4)
    if "ema" in str(target.yaml["yaml_file"]):
        assert arrived(source, before) == pytest.approx(carried.share, abs=1e-9)
    assert f"{carried.share:.1%} of the model's parameters carried" in caplog.text
    assert "are source and model of one family" not in caplog.text
    with torch.inference_mode():
        assert target.eval()(torch.rand(1, 3, 64, 64))[0].shape[1] == 4 + 10


@widening
def test_a_widened_model_loads_its_own_weights_again_as_resuming_does():
    source, trained = detector("yolov5n.yaml"), detector("yolov5n-p2-ema.yaml", nc=10, seed=1)
    trained.load(source, verbose=False)
    again = DetectionModel(trained.yaml, nc=10, verbose=False)
    again.load(trained, verbose=False)
    assert digest(again) == digest(trained)


@widening
def test_the_widened_branch_of_a_new_level_starts_as_one_that_ultralytics_builds():
    source = DetectionModel("yolov5n.yaml", nc=80, verbose=False)
    models = [DetectionModel("yolov5n-p2.yaml", nc=nc, verbose=False) for nc in (10, 80)]
    models[0].load(source, verbose=False)
    ten, eighty = (model.model[-1].cv3[0] for model in models)
    assert [type(module) for module in ten.modules()] == [type(module) for module in eighty.modules()]
    assert [(m.eps, m.momentum) for m in ten.modules() if isinstance(m, nn.BatchNorm2d)] == [(1e-3, 0.03)] * 2
    # Detect expects 5 objects of 10 classes in a picture of 640 pixels at stride 4.
    assert ten[-1].bias.tolist() == pytest.approx([math.log(5 / 10 / (640 / 4) ** 2)] * 10)


def test_branches_that_would_not_fit_anyway_keep_their_width():
    # The width is max(width of the finest level, classes): 128 in the source, 80 in the target with the source's 80 classes.
    source, target = (
        DetectionModel(f"yolov8s{name}.yaml", nc=nc, verbose=False) for name, nc in (("", 80), ("-p2", 10))
    )
    yolo_attn.transfer(source, target)
    assert [branch[-1].in_channels for branch in target.model[-1].cv3] == [64] * 4


def test_class_scores_moved_by_name_keep_the_count_right():
    source, target = detector("yolov5n.yaml"), detector("yolov5n-ema.yaml", nc=3, seed=1)
    source.names = {i: f"thing {i}" for i in range(80)}
    target.names = {0: "thing 7", 1: "other", 2: "thing 3"}
    before = copy.deepcopy(target)
    carried = yolo_attn.transfer(source, target)
    # Two of three scores on three levels arrive as well and are not counted: a bias each, and 80 weights where the width is the same.
    values = 2 * 3 * (81 if STOCK_WIDENS_CLASS_BRANCHES else 1)
    by_name = values / carried.parameters if hasattr(BaseModel, "_remap_cls_by_names") else 0
    assert arrived(source, before) == pytest.approx(carried.share + by_name, abs=1e-9)


def test_a_big_new_attention_layer_is_no_reason_to_doubt_the_family(tmp_path, caplog):
    path = tmp_path / "gam.yaml"
    path.write_text(edit.insert_all(find("yolov5.yaml").read_text(encoding="utf-8"), ["GAM"], ["stages", "neck"]))
    source, target = detector("yolov5n.yaml"), DetectionModel({**yaml.safe_load(path.read_text()), "scale": "n"})
    with logged(caplog):
        carried = yolo_attn.transfer(source, target)
    assert carried.share < 0.8
    assert "are source and model of one family" not in caplog.text


def test_the_record_of_a_transfer_is_plain_json():
    source, target = detector("yolov5n.yaml"), detector("yolov5n-ema.yaml", seed=1)
    carried = yolo_attn.transfer(source, target)
    record = json.loads(json.dumps(carried.to_json()))
    assert record["share"] == pytest.approx(carried.share)
    assert record["new"] == [9]
    assert set(record) == {*asdict(carried), "share"}
    assert record["new_parameters"] == sum(value.numel() for value in target.model[9].parameters())


# ---- the caller's models ----


def test_a_half_precision_source_stays_as_it_is():
    source, target = detector("yolov5n.yaml").half(), detector("yolov5n-ema.yaml", seed=1)
    before = digest(source)
    yolo_attn.transfer(source, target)
    target.load(source, verbose=False)
    assert {value.dtype for value in source.parameters()} == {torch.float16}
    assert digest(source) == before
    assert torch.equal(target.model[0].conv.weight, source.model[0].conv.weight.float())


def test_measuring_strides_leaves_modes_hooks_and_statistics_as_they_were():
    source, target = detector("yolov5n.yaml"), detector("yolov5n-p2.yaml", seed=1)
    source.train()
    source.model[3].eval()
    modes, before = [module.training for module in source.modules()], digest(source)
    head = dict(vars(source.model[-1]))
    yolo_attn.transfer(source, target)
    assert [module.training for module in source.modules()] == modes
    assert digest(source) == before
    assert not any(module._forward_hooks for module in itertools.chain(source.modules(), target.modules()))
    assert source.model[-1].shape == head.get("shape")  # a head remembers the size of the last image it saw


def test_a_yolo_trains_from_what_it_was_given():
    model = YOLO("yolov5n-ema.yaml")
    assert not model.ckpt
    yolo_attn.transfer(detector("yolov5n.yaml"), model)
    assert model.ckpt["model"] is model.model


def test_a_failing_alignment_falls_back_to_the_stock_load_with_a_warning(monkeypatch, caplog):
    source, target = detector("yolov5n.yaml"), detector("yolov5n-ema.yaml", seed=1)
    monkeypatch.setattr(weights, "align", lambda *_: 1 / 0)
    with logged(caplog):
        assert loaded(source, target) == stock_load(source, target)
    assert "yolo_attn could not align the rows, so weights are matched by key: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "bad",
    [nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)), nn.ModuleDict({"model": nn.Sequential()})],
    ids=["linear", "sequential", "empty"],
)
def test_a_source_without_rows_is_refused(bad):
    with pytest.raises(ValueError, match=r"transfer: source is a .* without rows; give a model built from a YAML"):
        yolo_attn.transfer(bad, detector("yolov5n.yaml"))


def test_weights_of_another_scale_are_named_as_such(monkeypatch):
    lines = []
    monkeypatch.setattr("yolo_attn.plugin.weights.LOGGER.warning", lines.append)
    YOLO("yolov5s-v6-ema.yaml").model.load(YOLO("yolov5n-v6.yaml").model)
    assert "the source has scale n, the model scale s; choose both of one scale" in lines[-1]
