"""Arguments of a row against the annotations of the constructor that they are for."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import pytest
from torch import nn

from yolo_attn.plugin.arguments import fitted

if TYPE_CHECKING:
    from nowhere import Missing


class Mode(enum.Enum):
    FAST = "fast"


def layer(annotation, default=None, name="Mine"):
    """A layer with one hyper-parameter of that annotation."""

    def constructor(self, channels, value=default):
        pass

    constructor.__annotations__ = {"value": annotation}
    return type(name, (nn.Module,), {"__init__": constructor})


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (float, 1e-3, 1e-3),
        (float, float("inf"), float("inf")),
        (bool, True, True),
        (str, "3x3", "3x3"),
        (list[int], [1, 2], [1, 2]),
        (list, [1, "a"], [1, "a"]),
        (tuple[int, int], [3, 3], (3, 3)),
        (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (tuple, [1, "a"], (1, "a")),
        (Sequence[int], [1, 2], [1, 2]),
        (Optional[int], None, None),  # noqa: UP045 (what users write)
        (Optional[int], 3, 3),  # noqa: UP045
        (Union[int, str], "a", "a"),  # noqa: UP007
        (int | tuple[int, int], [3, 3], (3, 3)),
        (int | float | bool | str, True, True),
        (int | float | bool | str, 2, 2),
        (Literal["se", "eca"], "eca", "eca"),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Annotated[int, "a note"], 3, 3),
        (Any, {"a": [1, None]}, {"a": [1, None]}),
        (object, 3, 3),
        (Mode, "fast", Mode.FAST),
        (Path, "weights.pt", Path("weights.pt")),
        ("int", 3, 3),
        ("list[int] | None", [3], [3]),
        ("Missing", 3, 3),  # a name that cannot be resolved says nothing
        ("list[Missing]", "anything", "anything"),
        (list["Missing"], "anything", "anything"),
        ("not Python at all", 3, 3),
        ("1 / 0", 3, 3),
    ],
    ids=str,
)
def test_a_value_that_fits_its_annotation_is_handed_on_as_the_annotation_says(annotation, value, expected):
    (result,) = fitted(layer(annotation), [value])
    assert result == expected and type(result) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "a"),
        (int, "3"),
        (int, 8.5),
        (int, 8.0),
        (int, True),
        (int, None),
        (int, [3]),
        (float, "1e-3"),
        (float, True),
        (bool, 1),
        (bool, "yes"),
        (str, 3),
        (list[int], 3),
        (list[int], [1, "a"]),
        (list[int], [*[1] * 50, "a"]),
        (list[int], [True]),
        (tuple[int, int], [3]),
        (tuple[int, int], [3, 3, 3]),
        (Sequence[int], "ab"),
        (Optional[int], "a"),  # noqa: UP045
        (int | tuple[int, int], [3]),
        (Literal["se", "eca"], "srm"),
        (dict[str, int], {"a": "b"}),
        (Annotated[int, "a note"], "a"),
        (Callable, 3),
        (nn.Module, "Conv"),
        ("int", "a"),
        ("list[int] | None", "a"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_refused_with_the_signature(annotation, value):
    default = object()
    with pytest.raises(ValueError) as error:
        fitted(layer(annotation, default), [value])
    assert str(error.value).startswith(f"{value!r} does not fit value of Mine(value: ")
    assert "\n" not in str(error.value)


def test_the_default_itself_always_fits():
    assert fitted(layer(int, None), [None]) == [None]  # `value: int = None`, as many write it
    assert fitted(layer(int, "auto"), ["auto"]) == ["auto"]
    with pytest.raises(ValueError, match="True does not fit value"):
        fitted(layer(int, 1), [True])


def test_a_signature_shows_plain_annotations_and_none_that_cannot_be_resolved():
    class Mine(nn.Module):
        def __init__(self, channels: int, first: Missing, second: list[int], third: Literal["a"] = "a"):
            pass

    with pytest.raises(
        ValueError, match=r"1 does not fit second of Mine\(first, second: list\[int\], third: .*= 'a'\)"
    ):
        fitted(Mine, [None, 1])


class Plain(nn.Module):
    def __init__(self, channels, factor: int = 1, *, scale: float = 1.0, **extra: int):
        pass


class Open(nn.Module):
    def __init__(self, channels: int, name: str, *numbers: int):
        pass


class AllOpen(nn.Module):
    def __init__(self, *everything: int):
        pass


class PositionalOnly(nn.Module):
    def __init__(self, channels, factor: int, /, mode: str = "a"):
        pass


class Required(nn.Module):
    def __init__(self, channels, first: int, second: int):
        pass


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Plain, []),
        (Plain, [3]),
        (Open, ["a"]),
        (Open, ["a", 1, 2, 3]),
        (AllOpen, []),
        (AllOpen, [1, 2, 3]),
        (PositionalOnly, [1, "b"]),
        (Required, [1, 2]),
    ],
)
def test_as_many_values_as_the_constructor_takes_by_position_fit(kind, values):
    assert fitted(kind, values) == values


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Plain, [3, 1.0], "2 arguments do not fit Plain(factor: int = 1)"),
        (Open, [], "0 arguments do not fit Open(name: str, *numbers: int)"),
        (Open, ["a", 1, "b"], "'b' does not fit numbers of Open(name: str, *numbers: int)"),
        (AllOpen, [1, "b"], "'b' does not fit everything of AllOpen(*everything: int)"),
        (Required, [1], "1 argument does not fit Required(first: int, second: int)"),
        (Required, [1, 2, 3], "3 arguments do not fit Required(first: int, second: int)"),
    ],
)
def test_too_few_too_many_and_wrong_values_are_refused(kind, values, message):
    with pytest.raises(ValueError) as error:
        fitted(kind, values)
    assert str(error.value).startswith(message)
    if "argument" in message:
        assert str(error.value).endswith("; channels are not written, they come from the row's source")


def test_values_that_json_does_not_know_are_checked_as_they_are():
    module = nn.Identity()
    assert fitted(layer(nn.Module), [module]) == [module]
    with pytest.raises(ValueError, match="does not fit value"):
        fitted(layer(int), [module])


def test_a_decorated_constructor_is_read_through_its_decorator():
    from functools import wraps

    def logged(constructor):
        @wraps(constructor)
        def wrapper(*args, **kwargs):
            return constructor(*args, **kwargs)

        return wrapper

    class Mine(nn.Module):
        @logged
        def __init__(self, channels: int, factor: int):
            pass

    assert fitted(Mine, [2]) == [2]
    with pytest.raises(ValueError, match=r"'a' does not fit factor of Mine\(factor: int\)"):
        fitted(Mine, ["a"])
