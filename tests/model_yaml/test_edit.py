"""Layers put into every model YAML that Ultralytics ships, and taken out again."""

import re
from pathlib import Path

import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics.nn import tasks

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import edit, places, rows

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
ALL = sorted(str(path.relative_to(STOCK)) for path in STOCK.rglob("*.yaml"))
SMALL = [
    name
    for name in ("v5/yolov5.yaml", "v8/yolov8-seg.yaml", "11/yolo11-obb.yaml", "26/yolo26.yaml", "11/yolo11-cls.yaml")
    if name in ALL
]
DOWNLOADS = {"11/yolo11-cls-resnet18.yaml"}  # fetches pretrained weights when it is built
ROLES = ["backbone-end", "sppf", "stages", "neck", "0"]

THREE_ROWS = """\
nc: 3 # classes
backbone:
  - [-1, 1, Conv, [16, 3, 2]] # 0-P1/2
  - [-1, 1, Conv, [32, 3, 2]]
  # a remark
head:
  - [[-1, 0], 1, Concat, [1]] # 2 (joined)
  - [[1, -1, 0], 1, Detect, [nc]] # Detect(P2, P2, P1)
"""
ROW_ZERO_MARKED = """\
nc: 3 # classes
backbone:
  - [-1, 1, Conv, [16, 3, 2]] # 0-P1/2
  - [-1, 1, EMA, [8]] # 1
  - [-1, 1, Conv, [32, 3, 2]]
  # a remark
head:
  - [[-1, 1], 1, Concat, [1]] # 3 (joined)
  - [[2, -1, 1], 1, Detect, [nc]] # Detect(P2, P2, P1)
"""


def insert_all(text: str, role: str, layer: str = "ECA", args=()) -> str:
    for after in reversed(places.places(text, role)):
        text = edit.insert(text, after, layer, args)
    return text


def cases(names):
    for name in names:
        text = (STOCK / name).read_text(encoding="utf-8")
        for role in ROLES:
            try:
                places.places(text, role)
            except ValueError:
                continue
            yield pytest.param(text, role, id=f"{name}-{role}")


def model_class(model: dict) -> type[nn.Module]:
    head = model["head"][-1][2]
    if head == "RTDETRDecoder":
        return tasks.RTDETRDetectionModel
    if head == "WorldDetect":
        return tasks.WorldModel
    names = {
        "detect": "Detection",
        "segment": "Segmentation",
        "pose": "Pose",
        "obb": "OBB",
        "classify": "Classification",
    }
    if head.startswith("YOLOE"):
        return tasks.YOLOESegModel if "Segment" in head else tasks.YOLOEModel
    task = tasks.guess_model_task(model)
    names |= {"semantic": "Semantic", "depth": "Depth"}
    return next(
        getattr(tasks, n) for n in (f"{names[task]}Model", f"{names[task]}SegmentationModel") if hasattr(tasks, n)
    )


def network(text: str) -> nn.Module:
    model = yaml.safe_load(text)
    scale = next(iter(model.get("scales", {"": 0})))
    return model_class(model)({**model, "scale": scale}, verbose=False)


def test_references_move_and_readers_of_the_row_read_the_layer():
    assert edit.insert(THREE_ROWS, 0, "EMA", [8]) == ROW_ZERO_MARKED


def test_strip_gives_the_file_back_to_the_letter():
    assert edit.strip(ROW_ZERO_MARKED) == THREE_ROWS


def test_the_first_of_two_layers_at_one_place_is_read_by_the_second():
    text = edit.insert(edit.insert(THREE_ROWS, 0, "CA"), 0, "EMA")
    assert [(row.module, row.sources) for row in rows.parse(text)][:4] == [
        ("Conv", [-1]),
        ("EMA", [0]),
        ("CA", [1]),
        ("Conv", [2]),
    ]


@pytest.mark.parametrize(("text", "role"), list(cases(ALL)))
def test_strip_is_the_inverse_of_insert_in_every_stock_file(text, role):
    changed = insert_all(text, role)
    assert changed != text
    assert edit.strip(changed) == text


def comments_by_row(text: str) -> list[str]:
    """The comment of each row, read without the code under test: in stock files each line that begins a list is a row."""
    return [line.partition("#")[2].strip() for line in text.splitlines() if line.startswith("  - [")]


@pytest.mark.parametrize("name", ALL)
def test_a_row_number_in_a_comment_moves_with_its_row(name):
    text = (STOCK / name).read_text(encoding="utf-8")
    before, after = comments_by_row(text), comments_by_row(edit.insert(text, 0, "ECA"))
    del after[1]
    for row, (old, new) in enumerate(zip(before, after, strict=True)):
        numbered = row > 0 and re.match(rf"{row}\b|[XF][345] \({row}\)", old)
        assert new == (old.replace(str(row), str(row + 1), 1) if numbered else old)


def test_the_numbers_in_rtdetrs_comments_move():
    text = (STOCK / "rt-detr" / "rtdetr-l.yaml").read_text(encoding="utf-8")
    assert comments_by_row(edit.insert(text, 1, "ECA")) == [  # written down by hand
        "0-P2/4",
        "stage 1",
        "2",
        "3-P3/8",
        "stage 2",
        "5-P4/16",
        "cm, c2, k, light, shortcut",
        "",
        "stage 3",
        "9-P5/32",
        "stage 4",
        "11 input_proj.2",
        "",
        "13, Y5, lateral_convs.0",
        "",
        "15 input_proj.1",
        "",
        "17, fpn_blocks.0",
        "18, Y4, lateral_convs.1",
        "",
        "20 input_proj.0",
        "cat backbone P4",
        "X3 (22), fpn_blocks.1",
        "23, downsample_convs.0",
        "cat Y4",
        "F4 (25), pan_blocks.0",
        "26, downsample_convs.1",
        "cat Y5",
        "F5 (28), pan_blocks.1",
        "RTDETRDecoder(P3, P4, P5)",
    ]


def check_same_function(text: str, role: str) -> None:
    """With the layers as identity and the weights carried over, the output is the base model's, bit for bit."""
    torch.manual_seed(0)
    base, changed = network(text).eval(), network(insert_all(text, role)).eval()
    ours = {index for index, row in enumerate(changed.model) if isinstance(row, LAYERS["ECA"])}
    others = [index for index in range(len(changed.model)) if index not in ours]
    for index in ours:
        identity = nn.Identity()
        identity.i, identity.f, identity.type = index, changed.model[index].f, "Identity"
        changed.model[index] = identity
    for source, target in enumerate(others):
        changed.model[target].load_state_dict(base.model[source].state_dict())
    if hasattr(base, "txt_feats"):  # drawn at random by each model of an open vocabulary
        changed.txt_feats = base.txt_feats
    image = torch.rand(1, 3, 64, 128)  # multiples of the coarsest stride
    with torch.inference_mode():
        torch.testing.assert_close(changed(image), base(image), rtol=0, atol=0, equal_nan=True)


def check_every_row_learns(text: str, role: str) -> None:
    """One backward pass reaches each layer that was put in."""
    changed = network(insert_all(text, role)).train()
    outputs = changed(torch.rand(2, 3, 64, 64))
    total = sum(tensor.float().square().sum() for tensor in tensors(outputs) if tensor.requires_grad)
    total.backward()
    layers = [row for row in changed.model if isinstance(row, LAYERS["ECA"])]
    assert layers
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0
        for row in layers
        for parameter in row.parameters()
    )


def tensors(outputs):
    if isinstance(outputs, torch.Tensor):
        yield outputs
    elif isinstance(outputs, dict):
        outputs = list(outputs.values())
    if isinstance(outputs, list | tuple):
        for entry in outputs:
            yield from tensors(entry)


@pytest.mark.parametrize(("text", "role"), list(cases(SMALL)))
def test_identity_in_place_of_the_layers_gives_the_base_models_output(text, role):
    check_same_function(text, role)


@pytest.mark.parametrize(("text", "role"), list(cases(SMALL)))
def test_every_inserted_layer_gets_a_gradient(text, role):
    check_every_row_learns(text, role)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "role"), list(cases([name for name in ALL if name not in SMALL and name not in DOWNLOADS]))
)
def test_identity_and_gradients_hold_in_every_other_stock_file(text, role):
    check_same_function(text, role)
    check_every_row_learns(text, role)


@pytest.mark.parametrize("after", [-1, 3, 99])
def test_nothing_goes_behind_the_head(after):
    with pytest.raises(ValueError, match="write 0 to 2, row 3 is the head"):
        edit.insert(THREE_ROWS, after, "EMA")


CHANGED_BY_HAND = """\
nc: 3
backbone:
  - [-1, 1, ResNet, [50, EMA(32)]]
  - [0, 1, Feature, [5]]
head:
  - [-1, 1, Classifier, [nc]]
"""


def test_strip_takes_the_attention_out_of_a_network():
    assert edit.strip(CHANGED_BY_HAND) == CHANGED_BY_HAND.replace(", EMA(32)", "")


def test_strip_leaves_the_other_arguments_of_a_network_at_their_places():
    text = CHANGED_BY_HAND.replace("EMA(32)", "'CBAM(16, 7)', first, cifar")
    assert edit.strip(text) == CHANGED_BY_HAND.replace("EMA(32)", '"", first, cifar')


def test_a_wrong_number_in_a_comment_is_as_wrong_after_insert_and_right_back_after_strip():
    text = THREE_ROWS.replace("# 2 (joined)", "# 3 (joined)")
    changed = edit.insert(text, 0, "ECA")
    assert "# 4 (joined)" in changed
    assert edit.strip(changed) == text


def test_a_layer_that_begins_the_head_in_flow_style_is_taken_out_of_the_head():
    text = "backbone: [[-1, 1, Conv, [8]]]\nhead: [%s[-1, 1, Classify, [3]]]\n"
    assert edit.strip(text % "[-1, 1, EMA, [8]], ") == text % ""


def test_strip_says_so_when_nothing_would_remain():
    text = "backbone:\n  - [-1, 1, ECA, []]\nhead:\n  - [-1, 1, EMA, [8]]\n"
    with pytest.raises(ValueError, match="the result would be: not a model YAML"):
        edit.strip(text)


def test_strip_refuses_what_cannot_be_led_to_the_image():
    text = "backbone:\n  - [-1, 1, ECA, []]\n  - [-1, 1, Conv, [8]]\nhead:\n  - [[1, 0], 1, Concat, [1]]\n"
    with pytest.raises(ValueError, match="cannot be edited"):
        edit.strip(text)


@pytest.mark.parametrize("source", ["1", "9", "-2"])
def test_a_file_that_is_wired_wrong_is_not_edited(source):
    text = THREE_ROWS.replace("- [-1, 1, Conv, [32", f"- [{source}, 1, Conv, [32")
    for change in (edit.strip, lambda text: edit.insert(text, 0, "ECA")):
        with pytest.raises(ValueError, match=f"row 1: Conv reads row {source}, which is not a row before it"):
            change(text)


@pytest.mark.parametrize("argument", ["8]], [0, 1, Conv, [8", "8 # 3", "'"])
def test_an_argument_that_is_more_than_one_value_is_refused(argument):
    with pytest.raises(ValueError, match="cannot be edited"):
        edit.insert(THREE_ROWS, 0, "EMA", [argument])
