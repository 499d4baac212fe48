"""`parameter_formula` of each layer against the parameters of the layer as it is built."""

import inspect
import math

import pytest
import torch

from yolo_attn.layers import LAYERS, is_multi_source

# Letters that stand for no expression.
BY_HAND = {"R": "number of sources", "P": "parameters of the layer", "S": "sum of kernel**2 / groups"}
FUNCTIONS = {"log2": math.log2, "sqrt": math.sqrt, "abs": abs, "int": int, "max": max, "min": min, "round": round}


def count(name, channels, sources=1, **arguments):
    with torch.device("meta"):
        layer = LAYERS[name]([channels] * sources if is_multi_source(LAYERS[name]) else channels, **arguments)
    return sum(parameter.numel() for parameter in layer.parameters())


def evaluated(name, channels, sources=1, **arguments):
    """The number that the formula gives; arguments that are left out have their defaults."""
    parameters = list(inspect.signature(LAYERS[name]).parameters.values())[1:]
    values = {parameter.name: parameter.default for parameter in parameters} | arguments | {"C": channels, "R": sources}
    if "kernels" in values:
        pairs = zip(values["kernels"].split(), values["groups"].split(), strict=True)
        values["S"] = sum(int(size) ** 2 / int(group) for size, group in pairs)
    if "layer" in values:
        values["P"] = count(values["layer"], channels)
    formula, *letters = LAYERS[name].parameter_formula.split("; ")
    for letter, expression in (definition.split(" = ", 1) for definition in letters):
        if BY_HAND.get(letter) != expression:
            values[letter] = eval(expression, {"__builtins__": FUNCTIONS}, values)
    return eval(formula, {"__builtins__": FUNCTIONS}, values)


@pytest.mark.parametrize("channels", [128, 256, 512, 640])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, {}) for name in LAYERS),
        ("AAConv", {"heads": 2}),
        ("AAConv", {"size": 20}),
        ("BAM", {"reduction": 8, "authors_code": True}),
        ("CA", {"reduction": 4}),
        ("CBAM", {"kernel_size": 3}),
        ("CBAM", {"reduction": 8, "kernel_size": 3, "authors_code": True}),
        ("DMSA", {"groups": 1}),
        ("DMSA", {"groups": 4}),
        ("DMSA", {"groups": 1, "fusion": "sum", "norm": "switchable"}),
        ("DMSA", {"norm": "batch", "fc": "none"}),
        ("DMSA", {"norm": "group", "fc": "conv1x1"}),
        ("ECA", {"kernel_size": 9}),
        ("ECA", {"gamma": 1.0, "bias": 2.0}),
        ("CAA", {"kernel_size": 5}),
        ("ELA", {"kernel_size": 5, "width": 8, "groups": 32}),
        ("EMA", {"factor": 8}),
        ("EMANoCross", {"factor": 8}),
        ("EPSA", {"reduction": 4}),
        ("EPSA", {"kernels": "3 5 5 7", "groups": "32 32 32 32"}),
        ("FCA", {"reduction": 8, "frequencies": 4}),
        ("GAM", {"groups": 4}),
        ("GAM", {"by_channel": False, "reduction": 4}),
        ("GAM", {"by_pixel": False}),
        ("GC", {"reduction": 4}),
        ("DoubleAttention", {"reduction": 4}),
        ("NonLocal", {"reduction": 4}),
        ("NonLocal", {"batch_norm": True}),
        ("LSKA", {"kernel_size": 11, "dilation": 2}),
        ("MCA", {"by_channel": False}),
        ("MLCA", {"bins": 3}),
        ("PointwiseControl", {"layer": "SE"}),
        ("PointwiseControl", {"layer": "GAM"}),
        ("ReZero", {"layer": "GC"}),
        ("SA", {"groups": 8}),
        ("SE", {"reduction": 4}),
        ("SGE", {"groups": 32}),
        ("TripletAttention", {"kernel_size": 3}),
    ],
)
def test_the_formula_counts_the_parameters_of_the_built_layer(name, arguments, channels):
    assert evaluated(name, channels, **arguments) == count(name, channels, **arguments)


@pytest.mark.parametrize("sources", [1, 2, 5])
@pytest.mark.parametrize("excitation", ["se", "eca", "srm"])
def test_the_formula_of_emca_counts_its_sources(excitation, sources):
    assert evaluated("EMCA", 128, sources, excitation=excitation) == count("EMCA", 128, sources, excitation=excitation)
