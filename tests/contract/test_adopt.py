"""What `adopt` says of layers that are right, and of layers that are wrong in one way each."""

import json

import pytest
import torch
from torch import nn

from yolo_attn.contract.adopt import adopt
from yolo_attn.contract.promises import PROMISES, verdicts
from yolo_attn.layers import LAYERS


class Layer(nn.Module):
    """A channel gate that keeps every promise."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))

    def gate(self, x):
        return torch.sigmoid(self.weight * x.mean((2, 3), keepdim=True))

    def forward(self, x):
        return x * self.gate(x)


class FixedToASize(Layer):
    def __init__(self, channels: int):
        super().__init__(channels)
        self.positions = nn.Parameter(torch.zeros(1, channels, 20, 20))

    def forward(self, x):
        return super().forward(x + self.positions)


class MixesImages(Layer):
    def forward(self, x):
        return x * self.gate(x) * torch.softmax(x.mean((1, 2, 3), keepdim=True), 0)


class RandomInEvaluation(Layer):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, training=True)


class CountsInEvaluation(Layer):
    def __init__(self, channels: int):
        super().__init__(channels)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return super().forward(x)


class NormOfAVector(Layer):
    def __init__(self, channels: int):
        super().__init__(channels)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x):
        return x * torch.sigmoid(self.norm(x.mean((2, 3)))[..., None, None] * self.weight)


class UnusedBranch(Layer):
    def __init__(self, channels: int):
        super().__init__(channels)
        self.branch = nn.Conv2d(channels, channels, 1)


class WritesIntoItsInput(Layer):
    def forward(self, x):
        return x.clone().mul_(self.gate(x)) if torch.is_grad_enabled() else x.mul_(self.gate(x))


class OverflowsInHalf(Layer):
    def forward(self, x):
        return x * torch.sigmoid(self.weight * (x * x).mean((2, 3), keepdim=True).sqrt() / 300)


class ReturnsFloat(Layer):
    def forward(self, x):
        return super().forward(x.float())


class BakedIntoOnnx(Layer):
    def forward(self, x):
        return x * torch.sigmoid(self.weight * x.sum((2, 3), keepdim=True) / int(x.shape[2] * x.shape[3]))


class AllPairs(Layer):
    def forward(self, x):
        rows = nn.functional.normalize(x.float(), dim=1).flatten(2)
        scores = torch.softmax(rows.transpose(1, 2) @ rows, -1)
        return x + (x.flatten(2) @ scores.to(x)).view_as(x) * self.weight


WRONG = {
    FixedToASize: "keeps the shape at any size",
    MixesImages: "keeps the images of a batch apart",
    RandomInEvaluation: "is still in evaluation",
    CountsInEvaluation: "is still in evaluation",
    NormOfAVector: "trains on one image",
    UnusedBranch: "uses every parameter",
    WritesIntoItsInput: "leaves its input as it is",
    OverflowsInHalf: "works in half precision",
    ReturnsFloat: "works in half precision",
    BakedIntoOnnx: "exports to ONNX at any size",
    AllPairs: "needs memory in proportion to the map",
}


def broken(layer: nn.Module) -> dict[str, str]:
    return {verdict.promise: verdict.measured for verdict in verdicts(layer, 64) if not verdict.kept}


def test_a_right_layer_keeps_every_promise():
    found = list(verdicts(Layer(64), 64))
    assert [verdict.promise for verdict in found] == list(PROMISES)
    assert all(verdict.kept and not verdict.change for verdict in found)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_layer_is_told_what_it_breaks(wrong):
    assert WRONG[wrong] in broken(wrong(64))


@pytest.mark.parametrize("wrong", [UnusedBranch, WritesIntoItsInput, NormOfAVector, ReturnsFloat])
def test_nothing_else_is_said_of_a_layer_with_one_fault(wrong):
    assert list(broken(wrong(64))) == [WRONG[wrong]]


def test_the_measurement_names_the_place():
    assert "7x12" in broken(FixedToASize(64))["keeps the shape at any size"]
    assert broken(UnusedBranch(64))["uses every parameter"] == "no gradient reaches branch.weight, branch.bias"
    assert "5x9" in broken(BakedIntoOnnx(64))["traces to TorchScript"] or "exports" in str(broken(BakedIntoOnnx(64)))
    assert "4.0 times the input at 16x16, 16.0 times at 32x32" in str(broken(AllPairs(64)))  # 16^2 and 32^2 over 64


@pytest.mark.parametrize("name", ["EMA", "CBAM", "SE"])
def test_a_layer_of_this_package_keeps_every_promise_at_its_known_cost(name):
    adoption = adopt(name, 64)
    assert adoption.kept
    assert adoption.costs[name].parameters == sum(p.numel() for p in LAYERS[name](64).parameters())
    assert {"EMA", "CA", "CBAM", "ECA"} <= adoption.costs.keys()


def test_the_start_of_a_layer_that_only_scales_is_its_gain(tmp_path):
    (tmp_path / "scales.py").write_text(
        "from torch import nn\nclass Twice(nn.Module):\n"
        "    def __init__(self, channels: int, gain: float = 2.0):\n        super().__init__()\n        self.gain = gain\n"
        "    def forward(self, x):\n        return self.gain * x\n",
        encoding="utf-8",
    )
    place = f"{tmp_path / 'scales.py'}:Twice"
    start = adopt(place, 8).start
    assert (start.gain, start.rest) == (pytest.approx(2), pytest.approx(0, abs=1e-6))
    assert adopt(place, 8, (0.5,)).start.gain == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"scales.py has no layer Thrice; it has Twice"):
        adopt(place.replace(":Twice", ":Thrice"))
    with pytest.raises(ValueError, match="'a' does not fit gain"):
        adopt(place, 8, ("a",))


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("NoSuchLayer", "no layer has this name; write my_layers.py:MyAttention"),
        ("no_such_package:Mine", "no_such_package cannot be imported"),
        ("EMCA", "reads several feature maps"),
    ],
)
def test_what_is_no_layer_is_refused(place, sentence):
    with pytest.raises(ValueError, match=sentence):
        adopt(place)


def test_the_command_prints_a_card_and_its_exit_code_is_the_verdict(capsys):
    from yolo_attn.cli import app

    with pytest.raises(SystemExit) as done:
        app(["adopt", "SE", "--channels", "32"])
    card = capsys.readouterr().out
    assert done.value.code == 0
    assert card.count("  ok     ") == len(PROMISES)
    with pytest.raises(SystemExit) as done:
        app(["adopt", "tests.contract.test_adopt:UnusedBranch", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert done.value.code == 1
    assert [v["promise"] for v in found["verdicts"] if not v["kept"]] == ["uses every parameter"]
