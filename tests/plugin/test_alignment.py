"""Pretrained weights across inserted rows."""

from pathlib import Path

import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel

import yolo_attn
from tests.plugin import inputs
from tests.plugin.inputs import logged
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import edit
from yolo_attn.plugin.alignment import align

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
FAMILIES = [name for name in ("v5/yolov5", "v8/yolov8", "11/yolo11", "26/yolo26") if (STOCK / f"{name}.yaml").exists()]
PLACES = [["backbone-end"], ["0"], ["neck"], ["backbone-end", "sppf", "stages", "neck"]]


def text_of(name: str) -> str:
    return (STOCK / f"{name}.yaml").read_text(encoding="utf-8")


def detector(text: str, nc: int = 80, seed: int = 0) -> DetectionModel:
    return inputs.detector({**yaml.safe_load(text), "scale": "n"}, nc, seed).eval()


def with_identity(model: DetectionModel) -> DetectionModel:
    for index, row in enumerate(model.model):
        if type(row) in LAYERS.values():
            identity = nn.Identity()
            identity.i, identity.f, identity.type = index, row.f, "Identity"
            model.model[index] = identity
    return model


def outputs(model: DetectionModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(3)))[0]


@pytest.mark.parametrize("at", PLACES, ids="+".join)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_tensor_of_the_source_arrives_and_the_rest_of_the_network_computes_the_same(family, at):
    source, target = detector(text_of(family)), detector(edit.insert_all(text_of(family), ["EMA:8", "ECA"], at), seed=1)
    carried = yolo_attn.transfer(source, target)
    assert carried.carried_tensors == carried.source_tensors == len(source.state_dict())
    assert carried.unmatched == ()
    assert [type(target.model[row]).__name__ for row in carried.new] == ["EMA", "ECA"] * (len(carried.new) // 2)
    torch.testing.assert_close(outputs(with_identity(target)), outputs(source), rtol=0, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_with_other_classes_only_the_classification_branch_stays_behind(family):
    source = detector(text_of(family))
    target = detector(edit.insert_all(text_of(family), ["EMA:8"], ["neck"]), nc=7, seed=1)
    head = len(source.model) - 1
    yolo_attn.transfer(source, target)
    arrived = target.state_dict().values()
    left = [
        key for key, value in source.state_dict().items() if not any(torch.equal(value, other) for other in arrived)
    ]
    assert left
    assert all(key.startswith(f"model.{head}.") and "cv3" in key for key in left)


def test_head_levels_go_to_their_stride_in_a_p2_variant():
    source, target = detector(text_of("v8/yolov8")), detector(text_of("v8/yolov8-p2"), seed=1)
    carried = yolo_attn.transfer(source, target)
    heads = source.model[-1], target.model[-1]
    assert [head.stride.tolist() for head in heads] == [[8, 16, 32], [4, 8, 16, 32]]
    # The widths of the branches depend on the finest level, the first convolution's input on its own.
    for level in range(3):
        for branch in ("cv2", "cv3"):
            one, two = getattr(heads[0], branch)[level], getattr(heads[1], branch)[level + 1]
            for key, value in one.state_dict().items():
                if value.shape == two.state_dict()[key].shape:
                    torch.testing.assert_close(two.state_dict()[key], value, rtol=0, atol=0)
    assert carried.share > 0.88


def test_a_row_never_takes_the_weights_of_another_role():
    # Rows 1 and 2 have the same shapes; the target has a third of that kind, at another stride, before them.
    base = "nc: 2\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [-1, 1, Conv, [16, 3, 1]]\n"
    head = "head:\n  - [[{}], 1, Detect, [nc]]\n"
    source = detector(base + head.format(2))
    target = detector(
        base.replace("16, 3, 1]]\n", "16, 3, 2]]\n  - [-1, 1, Conv, [16, 3, 2]]\n") + head.format(3), seed=1
    )
    # Strides: source 2, 4, 4; target 2, 4, 8, 16. Only the first two rows play the same role.
    assert [pair for pair in align(source, target) if pair[0] < 3] == [(0, 0), (1, 1)]


def attention_pairs(source: list[str], source_at: list[str], target: list[str], target_at: list[str]) -> list[tuple]:
    """(source row, target row) of the attention layers of two yolov5n."""
    text = text_of("v5/yolov5")
    model = detector(edit.insert_all(text, source, source_at))
    pairs = align(model, detector(edit.insert_all(text, target, target_at), seed=1))
    return [(a, b) for a, b in pairs if type(model.model[a]) in LAYERS.values()]


def test_an_attention_layer_takes_the_weights_of_the_same_layer_at_the_same_place():
    text = text_of("v5/yolov5")
    source = detector(edit.insert_all(text, ["EMA:8", "CA"], ["backbone-end"]))
    target = detector(edit.insert_all(text, ["ECA", "EMA:8"], ["backbone-end", "neck"]), seed=1)
    carried = yolo_attn.transfer(source, target)
    assert [(a, b) for a, b in carried.matched if type(source.model[a]) in LAYERS.values()] == [(9, 10)]
    torch.testing.assert_close(target.model[10].state_dict(), source.model[9].state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("source_at", "target_at", "pairs"),
    [
        # yolov5: the neck's rows 17, 20, 23 enter the head. With EMA behind each, these are rows 18, 22, 26.
        (["neck"], ["20"], [(22, 21)]),
        (["20"], ["neck"], [(21, 22)]),
        (["neck"], ["17", "23"], [(18, 18), (26, 25)]),
        (["backbone-end"], ["neck"], []),
        (["17"], ["23"], []),
    ],
)
def test_an_attention_layer_never_takes_the_weights_of_one_at_another_place(source_at, target_at, pairs):
    assert attention_pairs(["EMA:8"], source_at, ["EMA:8"], target_at) == pairs


def test_two_attention_layers_of_one_class_in_a_row_pair_off_in_their_order():
    assert attention_pairs(["CA", "CA"], ["17"], ["CA", "ECA", "CA"], ["17"]) == [(18, 18), (19, 20)]


def test_attention_on_the_image_itself_pairs_off():
    base = "nc: 2\nbackbone:\n  - [-1, 1, ECA, []]\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n  - [[1], 1, Detect, [nc]]\n"
    assert align(detector(base), detector(base, seed=1)) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("layers", [[], ["EMA:8"]], ids=["yolov5", "yolov5-ema"])
def test_models_of_the_same_rows_load_as_ever(layers, caplog):
    text = edit.insert_all(text_of("v5/yolov5"), layers, ["sppf"]) if layers else text_of("v5/yolov5")
    source, target, stock = detector(text), detector(text, seed=1), detector(text, seed=1)
    with logged(caplog):
        target.load(source)
    type(stock).load.__wrapped__(stock, source)
    torch.testing.assert_close(target.state_dict(), stock.state_dict(), rtol=0, atol=0)
    assert "Rows:" not in caplog.text


def test_the_stock_line_is_followed_by_a_report_of_the_rows(caplog):
    text = text_of("v5/yolov5")
    source, target = detector(text), detector(edit.insert_all(text, ["EMA:8"], ["backbone-end"]), seed=1)
    with logged(caplog):
        target.load(source)
    stock, report = [record.message for record in caplog.records]
    assert stock == f"Transferred {len(source.state_dict())}/{len(target.state_dict())} items from pretrained weights"
    assert report.startswith("Rows: 25 matched, 1 new (9 EMA), 0 without a source; ")


def test_a_transfer_that_carries_little_warns(caplog):
    source = detector(text_of("v8/yolov8"))
    target = detector(edit.insert_all(text_of("v5/yolov5"), ["EMA:8"], ["neck"]), seed=1)
    with logged(caplog):
        target.load(source)
    doubt = (
        "% of the parameters outside new attention layers were carried: are source and model of one family and scale?"
    )
    assert doubt in caplog.text


def test_a_checkpoint_loads_into_a_yaml_with_a_row_more(tmp_path):
    model = YOLO(STOCK / "v5" / "yolov5n.yaml")
    model.save(tmp_path / "base.pt")
    loaded = YOLO("yolov5n-ema.yaml").load(tmp_path / "base.pt").model
    source = model.model.state_dict()
    for key in ("model.8.cv1.conv.weight", "model.9.cv1.conv.weight", "model.24.cv2.0.0.conv.weight"):
        number = int(key.split(".")[1])
        there = key.replace(f"model.{number}.", f"model.{number + (number > 8)}.", 1)
        torch.testing.assert_close(loaded.state_dict()[there], source[key], rtol=1e-3, atol=1e-3)  # saved as float16
