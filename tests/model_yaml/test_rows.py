"""Layers put into every model YAML that Ultralytics ships, and taken out again."""

from pathlib import Path

import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics.nn import tasks

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import edit, places, rows, scale

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


@pytest.mark.parametrize(("text", "role"), list(cases(ALL)))
def test_row_numbers_in_comments_stay_right(text, role):
    changed = insert_all(text, role)
    for row in rows.parse(changed):
        comment = ""
        number = rows.ROW_NUMBER.search(comment)
        assert number is None or int(number[0]) == row.index


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


@pytest.mark.parametrize(
    ("role", "found"),
    [("backbone-end", [8]), ("sppf", [9]), ("stages", [4, 6, 9]), ("neck", [17, 20, 23]), ("13", [13]), (13, [13])],
    ids=str,
)
def test_places_of_yolov5(role, found):
    # Stages: rows 4 and 6 enter Concats of the neck, row 9 its first row.
    assert places.places((STOCK / "v5" / "yolov5.yaml").read_text(), role) == found


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("sppf", "this model has no sppf: its rows are 0 to 3, the last of which is the head"),
        ("3", "this model has no 3"),
        ("middle", "no place 'middle'; write backbone-end, sppf, stages, neck, or the index of a row"),
    ],
)
def test_a_place_that_is_not_there_is_named(role, message):
    with pytest.raises(ValueError, match=message):
        places.places(THREE_ROWS, role)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backbone: [", "not a YAML file"),
        ("nc: 3\n", "not a model YAML: it needs a list named backbone and a list named head"),
        (
            "backbone:\n  - [-1, 1, Conv]\nhead: []\n",
            "line 2: a row is written `- \\[from, number, module, arguments\\]`",
        ),
        ("backbone:\n  - [-1, 1,\n     Conv, []]\nhead: []\n", "line 2: a row is written"),
    ],
)
def test_a_text_that_is_no_model_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        rows.parse(text)


@pytest.mark.parametrize("after", [-1, 3, 99])
def test_nothing_goes_behind_the_head(after):
    with pytest.raises(ValueError, match="write 0 to 2, the last row is the head"):
        edit.insert(THREE_ROWS, after, "EMA")


def test_a_scale_can_be_made_the_default():
    text = (STOCK / "v5" / "yolov5.yaml").read_text()
    changed = scale.with_default_scale(text, "s")
    assert list(yaml.safe_load(changed)["scales"]) == ["s", "n", "m", "l", "x"]
    assert yaml.safe_load(changed) == yaml.safe_load(text)
    with pytest.raises(ValueError, match="no scale 'q'"):
        scale.with_default_scale(text, "q")
