"""A layer of the user's own: which names and classes are taken, and which are refused in one sentence."""

import importlib
from pathlib import Path

import pytest
import torch
from torch import nn
from ultralytics.nn import tasks

import yolo_attn
from yolo_attn.layers import LAYERS
from yolo_attn.layers.ema import EMA
from yolo_attn.plugin import parse_model


class Scale(nn.Module):
    """x -> gain * x."""

    def __init__(self, channels: int, gain: float = 1.0):
        super().__init__()
        self.channels, self.gain = channels, gain

    def forward(self, x):
        return self.gain * x


def named(name: str) -> type[nn.Module]:
    """A layer that could be registered, but for its name."""
    return type(name, (Scale,), {})


def build(row):
    rows = [[-1, 1, "Conv", [64, 3, 2]], row]
    return parse_model({"yaml_file": "my.yaml", "backbone": rows, "head": []}, 3, verbose=False)[0][-1]


def test_a_registered_layer_is_a_row(register):
    assert register(Scale) is Scale
    layer = build([-1, 1, "Scale", [3]])
    assert (type(layer), layer.channels, layer.gain) == (Scale, 64, 3)


def test_the_same_class_is_registered_twice_without_harm(register):
    register(Scale)
    register(Scale)
    assert LAYERS["Scale"] is tasks.Scale is Scale


def test_a_class_that_is_defined_again_replaces_its_former_self(register):
    # What running a notebook's cell twice does.
    first, second = named("Mine"), named("Mine")
    register(first)
    register(second)
    assert LAYERS["Mine"] is tasks.Mine is second
    assert type(build([-1, 1, "Mine", []])) is second


def test_another_class_of_the_same_name_is_refused(register):
    first = named("Mine")
    register(first)
    other = named("Mine")
    other.__module__ = "another.file"
    with pytest.raises(ValueError, match=r"Mine: this is the name of .*\.Mine in yolo_attn; choose another name"):
        register(other)
    assert LAYERS["Mine"] is tasks.Mine is first


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("Conv", "ultralytics.nn.modules.conv.Conv in Ultralytics"),
        ("C2f", "ultralytics.nn.modules.block.C2f in Ultralytics"),
        ("Index", "ultralytics.nn.modules.conv.Index in Ultralytics"),
        ("torch", "torch in Ultralytics"),
        ("EMA", "yolo_attn.layers.ema.EMA in yolo_attn"),
        ("CBAM", "yolo_attn.layers.cbam.CBAM in yolo_attn"),
        ("ReZero", "yolo_attn.layers.rezero.ReZero in yolo_attn"),
        ("ResNet", "a row of networks in yolo_attn"),
        ("MobileNetV2", "a row of networks in yolo_attn"),
        ("Classifier", "a row of networks in yolo_attn"),
        ("Feature", "a row of networks in yolo_attn"),
        ("int", "a builtin of Python"),
        ("print", "a builtin of Python"),
        ("ValueError", "a builtin of Python"),
        *[(name, "a variable of Ultralytics' parser") for name in ("n", "i", "f", "d", "ch", "act", "scale", "args")],
        *[(name, "a variable of Ultralytics' parser") for name in ("nc", "c2", "depth", "width", "max_channels")],
    ],
)
def test_a_name_that_has_a_meaning_already_is_refused(name, owner):
    before, was = dict(LAYERS), getattr(tasks, name, None)
    with pytest.raises(ValueError) as error:
        yolo_attn.register(named(name))
    assert str(error.value) == f"{name}: this is the name of {owner}; choose another name for the class"
    assert before == LAYERS
    assert getattr(tasks, name, None) is was


@pytest.mark.parametrize(("name", "read"), [("Yes", "True"), ("off", "False"), ("Null", "None")])
def test_a_name_that_yaml_reads_as_something_else_is_refused(name, read):
    with pytest.raises(ValueError, match=f"{name}: YAML reads this name as {read}; choose another name for the class"):
        yolo_attn.register(named(name))


@pytest.mark.parametrize("name", ["Two words", "nn.Mine", "3x3"])
def test_a_name_that_no_class_statement_can_give_is_refused(name):
    with pytest.raises(ValueError, match="this is no name of a class; choose another name"):
        yolo_attn.register(named(name))


@pytest.mark.parametrize("thing", [Scale(8), lambda channels: Scale(channels), "Scale", int, torch.relu])
def test_what_is_no_class_of_modules_is_refused(thing):
    with pytest.raises(ValueError, match=r"register takes a class derived from torch\.nn\.Module; found "):
        yolo_attn.register(thing)


class NoParameter(nn.Module):
    def __init__(self):
        super().__init__()


class NoConstructor(nn.Module):
    pass


class OnlyKeywords(nn.Module):
    def __init__(self, *, channels: int):
        super().__init__()


class RequiredKeyword(nn.Module):
    def __init__(self, channels: int, *, gain: float):
        super().__init__()


@pytest.mark.parametrize("layer", [NoParameter, NoConstructor, OnlyKeywords])
def test_a_constructor_that_takes_no_channels_is_refused(layer):
    message = rf"{layer.__name__}: its constructor takes no channels; begin it with `def __init__\(self, channels, "
    with pytest.raises(ValueError, match=message):
        yolo_attn.register(layer)
    assert layer.__name__ not in LAYERS and not hasattr(tasks, layer.__name__)


def test_a_parameter_that_a_row_cannot_give_is_refused():
    message = r"RequiredKeyword: a row gives arguments by position, which gain does not take; give gain a default"
    with pytest.raises(ValueError, match=message):
        yolo_attn.register(RequiredKeyword)


def test_our_own_layers_survive_a_reload_of_their_file():
    module = importlib.import_module("yolo_attn.layers.ema")
    assert Path(module.__file__).name == "ema.py"
    assert yolo_attn.register(EMA) is EMA
