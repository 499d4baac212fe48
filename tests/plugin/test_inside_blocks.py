"""Layers inside stock blocks: where they run, what stays as it was, and what a model with them can do."""

import io
import itertools
import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics import YOLO
from ultralytics.nn import tasks
from ultralytics.nn.modules import Conv
from ultralytics.utils.torch_utils import ModelEMA

from tests.plugin.inputs import detector, logged
from tests.tolerance import TOLERANCE
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import inside
from yolo_attn.plugin.files import find
from yolo_attn.plugin.inside_blocks import BRANCH, LAST

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"


class Triple(nn.Module):
    """x -> 3 x, which no stock module does."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1] == self.channels
        return 3 * x


@pytest.fixture
def triple(register):
    return register(Triple)


def built(row: str, before: str = "[-1, 1, Conv, [64, 3, 1]]") -> nn.Sequential:
    """A row behind another one, in evaluation, drawn from the same seed every time; no activation changes its input."""
    torch.manual_seed(0)
    model = {
        "yaml_file": "my.yaml",
        "nc": 2,
        "scale": "n",
        "scales": {"n": [1.0, 1.0, 1024]},
        "backbone": [yaml.safe_load(before), yaml.safe_load(row)],
        "head": [],
    }
    layers, _ = tasks.parse_model(model, ch=3, verbose=False)
    for module in layers.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return layers.eval()


def stock_row(row: str) -> nn.Module:
    """A row without layers inside; an older Ultralytics has not every block, or not at this width."""
    try:
        return built(row)[1]
    except (KeyError, ZeroDivisionError) as error:
        pytest.skip(f"Ultralytics {ultralytics.__version__} does not build {row}: {error!r}")


def tripled(row: nn.Module, block: str, child: str, x: torch.Tensor) -> torch.Tensor:
    """The output of a stock row if `child` of each of its blocks of a class gave three times what it gives."""
    hooks = []
    for module in row.modules():
        if type(module).__name__ == block:
            target = getattr(module, child) if child else module
            hooks.append(target.register_forward_hook(lambda _module, _inputs, output: 3 * output))
    assert hooks
    with torch.no_grad():
        return row(x)


@pytest.mark.parametrize(
    ("row", "unit", "branch"),
    [  # the class that adds a shortcut, and the child whose output it adds it to, as its forward has it
        ("[-1, 2, C3{}, [64]]", "Bottleneck", "cv2"),
        ("[-1, 2, C3{}, [64, False]]", "Bottleneck", "cv2"),
        ("[-1, 1, C3x{}, [64]]", "Bottleneck", "cv2"),
        ("[-1, 2, C2{}, [64]]", "Bottleneck", "cv2"),
        ("[-1, 2, C2f{}, [64, True]]", "Bottleneck", "cv2"),
        ("[-1, 1, C3k2{}, [64, False, 0.25]]", "Bottleneck", "cv2"),
        ("[-1, 2, C3k2{}, [64, True]]", "Bottleneck", "cv2"),
        ("[-1, 2, BottleneckCSP{}, [64]]", "Bottleneck", "cv2"),
        ("[-1, 2, Bottleneck{}, [64]]", "Bottleneck", "cv2"),
        ("[-1, 1, RepNCSPELAN4{}, [64, 64, 32, 2]]", "RepBottleneck", "cv2"),
        ("[-1, 2, C3Ghost{}, [64]]", "GhostBottleneck", "conv"),
        ("[-1, 1, GhostBottleneck{}, [64, 3, 2]]", "GhostBottleneck", "conv"),
        ("[-1, 2, C2fCIB{}, [64, True]]", "CIB", "cv1"),
        ("[-1, 1, C2fCIB{}, [64, True, True]]", "CIB", "cv1"),
        ("[-1, 2, RepC3{}, [64]]", "RepC3", "m"),
        ("[-1, 2, RepC3{}, [64, 0.5]]", "RepC3", "m"),
        ("[-1, 2, C2PSA{}, [64]]", "PSABlock", "ffn"),
        ("[-1, 2, C2fPSA{}, [64]]", "PSABlock", "ffn"),
        ("[-1, 1, PSA{}, [64]]", "PSA", "ffn"),
        ("[-1, 1, A2C2f{}, [64, True, 1]]", "ABlock", "mlp"),
        ("[-1, 1, A2C2f{}, [64, False, -1]]", "Bottleneck", "cv2"),
        ("[-1, 1, ResNetLayer{}, [64, 16, 1, False, 2]]", "ResNetBlock", "cv3"),
    ],
)
def test_by_default_a_layer_runs_at_the_end_of_each_branch_before_its_shortcut(triple, row, unit, branch):
    x = torch.rand(1, 64, 8, 8)
    stock, with_layer = stock_row(row.format("")), built(row.format("+Triple"))[1]
    expected = tripled(stock, unit, branch, x)
    with torch.no_grad():
        torch.testing.assert_close(with_layer(x), expected, rtol=0, atol=0)
    assert sum(isinstance(module, Triple) for module in with_layer.modules()) == sum(
        type(module).__name__ == unit for module in stock.modules()
    )


@pytest.mark.parametrize(
    ("row", "block", "last"),
    [
        ("[-1, 1, Conv{}, [32, 3, 2]]", "Conv", ""),
        ("[-1, 2, Conv{}, [64, 3, 1]]", "Conv", ""),
        ("[-1, 1, DWConv{}, [64, 3, 2]]", "DWConv", ""),
        ("[-1, 1, ConvTranspose{}, [32, 2, 2]]", "ConvTranspose", ""),
        ("[-1, 1, Focus{}, [32, 1]]", "Focus", "conv"),
        ("[-1, 2, C3{}, [64]]", "C3", "cv3"),
        ("[-1, 1, C3TR{}, [64]]", "C3TR", "cv3"),
        ("[-1, 2, C3Ghost{}, [64]]", "C3Ghost", "cv3"),
        ("[-1, 2, C2f{}, [64]]", "C2f", "cv2"),
        ("[-1, 2, C3k2{}, [32, True]]", "C3k2", "cv2"),
        ("[-1, 1, A2C2f{}, [64, True, 1, True]]", "A2C2f", "cv2"),
        ("[-1, 1, SPPF{}, [64, 5]]", "SPPF", "cv2"),
        ("[-1, 1, SPP{}, [32]]", "SPP", "cv2"),
        ("[-1, 1, SPPELAN{}, [32, 16]]", "SPPELAN", "cv5"),
        ("[-1, 1, C2PSA{}, [64]]", "C2PSA", "cv2"),
        ("[-1, 1, PSA{}, [64]]", "PSA", "cv2"),
        ("[-1, 1, SCDown{}, [32, 3, 2]]", "SCDown", "cv2"),
        ("[-1, 1, AConv{}, [32]]", "AConv", "cv1"),
        ("[-1, 1, ELAN1{}, [32, 16, 16]]", "ELAN1", "cv4"),
        ("[-1, 1, RepNCSPELAN4{}, [64, 64, 32, 1]]", "RepNCSPELAN4", "cv4"),
        ("[-1, 1, BottleneckCSP{}, [32]]", "BottleneckCSP", "cv4"),
        ("[-1, 1, RepC3{}, [64, 1.0]]", "RepC3", "cv3"),
        ("[-1, 1, RepC3{}, [64, 0.5]]", "RepC3", "cv3"),
        ("[-1, 2, HGBlock{}, [16, 64, 3, True, True]]", "HGBlock", "ec"),
        ("[-1, 1, HGStem{}, [16, 32]]", "HGStem", "stem4"),
    ],
)
def test_at_the_end_a_layer_runs_behind_the_last_convolution(triple, row, block, last):
    x = torch.rand(1, 64, 8, 8)
    stock, with_layer = stock_row(row.format("")), built(row.format("+Triple@end"))[1]
    module = next(module for module in stock.modules() if type(module).__name__ == block)
    given = {}
    hooks = [
        target.register_forward_hook(lambda _module, _inputs, output, name=name: given.update({name: output}))
        for name, target in (("block", module), ("last", getattr(module, last) if last else module))
    ]
    with torch.no_grad():
        stock(x)
    for hook in hooks:
        hook.remove()
    with_shortcut = ("HGBlock", "A2C2f")  # they add a shortcut to what their last convolution gives
    assert torch.equal(given["block"], given["last"]) or block in with_shortcut
    with torch.no_grad():
        torch.testing.assert_close(with_layer(x), tripled(stock, block, last, x), rtol=0, atol=0)


def test_layers_run_in_the_order_in_which_they_are_written(register, triple):
    @register
    class PlusOne(nn.Module):
        def __init__(self, channels: int):
            super().__init__()

        def forward(self, x):
            return x + 1

    x = torch.rand(1, 3, 8, 8)
    stock = built("[-1, 1, nn.Identity, []]")[0]
    for written, value in (
        ("Triple+PlusOne", lambda y: 3 * y + 1),
        ("PlusOne+Triple+PlusOne", lambda y: 3 * (y + 1) + 1),
    ):
        ends = "@end+".join(written.split("+")) + "@end"
        conv = built("[-1, 1, nn.Identity, []]", f"[-1, 1, Conv+{ends}, [64, 3, 1]]")[0]
        with torch.no_grad():
            torch.testing.assert_close(conv(x), value(stock(x)))


def test_bottlenecks_and_end_can_have_a_layer_each():
    row = built("[-1, 2, C3+EMA(8)+CBAM@end, [64]]")[1]
    assert [key for key in row.state_dict() if "EMA.gn.weight" in key] == [
        f"m.{index}.cv2.act.EMA.gn.weight" for index in range(2)
    ]
    assert sum(isinstance(module, LAYERS["CBAM"]) for module in row.modules()) == 1
    assert any(key.startswith("cv3.act.CBAM.") for key in row.state_dict())


# ---- what stays as it was ----


FAMILIES = ["yolov3-tiny", "yolov5n", "yolov10n", "yolo26n"]


def with_layer(name: str, layer: str = "ReZero:EMA,4", into: str = "all") -> dict:
    """The dict of a stock model with a layer inside its blocks."""
    text = inside.insert_inside(find(f"{name}.yaml").read_text(encoding="utf-8"), [layer], [into])
    return {**tasks.yaml_model_load(f"{name}.yaml"), **yaml.safe_load(text)}


def known(name: str) -> str:
    try:
        find(f"{name}.yaml")
    except FileNotFoundError:
        pytest.skip(f"Ultralytics {ultralytics.__version__} has no {name}")
    return name


@pytest.mark.parametrize("name", FAMILIES)
def test_stock_weights_load_by_name_with_nothing_lost_and_rezero_starts_as_stock(name):
    source = detector(f"{known(name)}.yaml")
    target = detector(with_layer(name, into="Conv@end" if "tiny" in name else "all"), seed=1)
    new = set(target.state_dict()) - set(source.state_dict())
    assert not set(source.state_dict()) - set(target.state_dict())
    assert new and all(".ReZero." in key for key in new)
    with torch.no_grad():
        for module in target.modules():
            if isinstance(module, LAYERS["ReZero"]):
                module.gain.zero_()
    target.load(source, verbose=False)
    assert all(torch.equal(target.state_dict()[key], value) for key, value in source.state_dict().items())
    x = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(target.eval()(x)[0], source.eval()(x)[0])


def test_a_seed_gives_stock_modules_the_weights_that_it_gives_them_without_layers():
    models = []
    for given in ("yolov5n.yaml", with_layer("yolov5n", "CBAM:8")):
        torch.manual_seed(3)
        models.append(tasks.DetectionModel(given, verbose=False).state_dict())
    assert all(torch.equal(models[1][key], value) for key, value in models[0].items())


def test_classes_of_stock_modules_stay_and_the_yaml_keeps_what_was_written():
    source, target = detector("yolo11n.yaml"), detector(with_layer("yolo11n"))
    stock = [(path, type(module)) for path, module in source.named_modules() if not path.endswith(".act")]
    kinds = {path: type(module) for path, module in target.named_modules()}
    assert [(path, kinds[path]) for path, _ in stock] == stock
    assert target.yaml["backbone"][2] == [-1, 2, "C3k2+ReZero(EMA, 4)", [256, False, 0.25]]
    assert [row.type for row in target.model] == [row.type for row in source.model]


def test_the_log_says_what_was_put_inside_and_rows_count_it(caplog):
    with logged(caplog):
        row = tasks.parse_model(
            {"backbone": [[-1, 1, "Conv", [64, 3, 2]], [-1, 2, "C3+EMA(8)+ECA", [64]]], "head": []}, 3, verbose=True
        )[0][1]
    assert row.np == sum(parameter.numel() for parameter in row.parameters())
    added = 2 * (10 * 4 * 4 + 4 * 4) + 2 * 3  # EMA: 10 k^2 + 4 k, k = 32 / 8; ECA at 32 channels: a kernel of 3
    assert f"1 C3 with 2 EMA and 2 ECA inside, {added} parameters more" in caplog.text


# ---- what a model with layers inside can do ----


@pytest.fixture(scope="module")
def network() -> tasks.DetectionModel:
    """Every kind of attachment at once: behind activations, in sequences, in place of nothing."""
    model = with_layer("yolo11n", "EMA:4")
    model["backbone"][9][2] = "SPPF+CBAM(8)@end+ECA@end"
    model["backbone"][10][2] = "C2PSA+SE"
    torch.manual_seed(0)
    return tasks.DetectionModel(model, verbose=False).eval()


@pytest.fixture(scope="module")
def backbone(network) -> nn.Sequential:
    """The rows of the backbone, a chain that ends in SPPF and C2PSA."""
    return nn.Sequential(*network.model[:11])


def outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(x)[0]


def test_copies_and_pickles_give_the_same(network):
    x = torch.rand(2, 3, 64, 96)
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    written = pickle.dumps(network)
    assert b"yolo_attn.plugin" not in written
    for copy in (deepcopy(network), pickle.loads(written), torch.load(file, weights_only=False), ModelEMA(network).ema):
        assert torch.equal(outputs(copy, x), outputs(network, x))


def test_a_fused_model_gives_the_same(network):
    x = torch.rand(2, 3, 64, 96)
    fused = deepcopy(network).fuse(verbose=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    torch.testing.assert_close(outputs(fused, x), outputs(network, x), rtol=1e-3, atol=1e-3)


def test_half_precision_runs_and_follows_the_model(network):
    half = deepcopy(network).to(torch.bfloat16)
    assert {value.dtype for value in half.parameters()} == {torch.bfloat16}
    assert outputs(half, torch.rand(1, 3, 64, 64, dtype=torch.bfloat16)).isfinite().all()


def test_every_parameter_of_the_layers_gets_a_gradient(backbone):
    training = deepcopy(backbone).train().requires_grad_()
    training(torch.rand(2, 3, 64, 64)).square().mean().backward()
    inner = {key: value for key, value in training.named_parameters() if ".act." in key or ".SE." in key}
    assert {kind for kind in ("EMA", "CBAM", "ECA", "SE") if any(f".{kind}." in key for key in inner)} == {
        "EMA",
        "CBAM",
        "ECA",
        "SE",
    }
    assert [key for key, value in inner.items() if value.grad is None] == []


def test_traced_and_exported_programs_give_the_same(backbone):
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = backbone(x)
        traced = torch.jit.trace(backbone, x)(x)
        exported = torch.export.export(backbone, (x,)).module()(x)
    for given in (traced, exported):
        torch.testing.assert_close(given, expected, **TOLERANCE[torch.float32])


def test_a_dynamic_onnx_file_gives_the_same_at_another_size(network, tmp_path):
    torch.save({"model": deepcopy(network)}, tmp_path / "model.pt")
    model = YOLO(tmp_path / "model.pt")
    file = model.export(format="onnx", imgsz=64, dynamic=True, simplify=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    fused = deepcopy(network).fuse(verbose=False)
    for shape in ((1, 3, 64, 64), (2, 3, 96, 128)):
        x = torch.rand(shape)
        (given,) = session.run(None, {"images": x.numpy()})
        expected = outputs(fused, x).numpy()
        assert np.abs(given - expected).max() < 1e-3 * np.abs(expected).max()


def test_measured_widths_are_those_that_arrive_in_every_stock_model(triple):
    """Triple refuses a width other than it was built for; every block of every detector takes it where it can."""
    count = 0
    for name in (
        "v3/yolov3-tiny",
        "v5/yolov5",
        "v6/yolov6",
        "v8/yolov8-ghost",
        "v9/yolov9t",
        "v10/yolov10n",
        "12/yolo12",
        "26/yolo26",
    ):
        if not (STOCK / f"{name}.yaml").exists():
            continue
        model = {**yaml.safe_load((STOCK / f"{name}.yaml").read_text(encoding="utf-8")), "scale": "n"}
        rows = [*model["backbone"], *model["head"]]
        for row in rows[:-1]:
            kind = getattr(tasks, row[2], None)
            names = [base.__name__ for base in kind.__mro__] if kind else []
            if not kind or not any(base in LAST for base in names):
                continue
            row[2] += "+Triple@end"
            count += 1
        network = detector(model).eval()
        outputs(network, torch.rand(1, 3, 64, 64))
    assert count > 100


def test_the_tables_name_classes_of_ultralytics_and_their_children():
    for table in (BRANCH, LAST):
        assert all(isinstance(child, str) for child in table.values())
    from ultralytics.nn.modules import block, conv

    missing = [name for name in itertools.chain(BRANCH, LAST) if not hasattr(block, name) and not hasattr(conv, name)]
    assert missing == [] or ultralytics.__version__ < "8.4"


# ---- what is refused ----


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[[-1], 1, Concat+EMA, [1]]", "Concat has no place for a layer inside; put the layer in a row of its own, `- [-1, 1, EMA, []]`"),
        ("[-1, 1, nn.Upsample+EMA(8), [null, 2, nearest]]", "put the layer in a row of its own, `- [-1, 1, EMA, [8]]`"),
        ("[[-1], 1, Detect+EMA, [2]]", "Detect has no place for a layer inside"),
        ("[-1, 1, Classify+EMA@end, [2]]", "Classify has no place for a layer inside"),
        ("[-1, 1, GhostConv+EMA@end, [64]]", "GhostConv has no place for a layer inside"),
        ("[-1, 1, ADown+EMA@end, [64]]", "ADown has no place for a layer inside"),
        ("[-1, 1, SPPF+EMA, [64, 5]]", "SPPF has no bottlenecks; write SPPF+EMA@end for its end"),
        ("[-1, 1, Conv+EMA(8), [64]]", "Conv has no bottlenecks; write Conv+EMA(8)@end for its end"),
        ("[-1, 1, ResNetLayer+EMA(8)@end, [64, 16, 1, False, 2]]", "does not end in a convolution; write ResNetLayer+EMA(8) for"),
        ("[-1, 1, EMA+CBAM, [8]]", "EMA is a layer and no block; put the layer in a row of its own, `- [-1, 1, CBAM, []]`"),
        ("[-1, 1, ResNet+EMA(8), [18]]", "ResNet has no place for a layer inside; write EMA(8) among its arguments"),
        ("[-1, 1, Feature+EMA, [2]]", "Feature has no place for a layer inside"),
        ("[-1, 1, AnchorDetect+EMA, [2]]", "AnchorDetect has no place for a layer inside"),
        ("[-1, 1, C33+EMA, [64]]", "there is no block C33; write one of Ultralytics', such as C3 or C2f"),
        ("[-1, 1, C3+EMCA, [64]]", "EMCA reads several rows; inside a block there is one feature map"),
        ("[-1, 1, C3+, [64]]", "'C3+' is no block with layers inside; write it like C3+EMA, C3+EMA(8)@end or C3+CBAM+EMA"),
        ("[-1, 1, +EMA, [64]]", "'+EMA' is no block with layers inside"),
        ("[-1, 1, C3++EMA, [64]]", "'+EMA' names no layer; write it like EMA, EMA(8)"),
        ("[-1, 1, C3+Foo, [64]]", "there is no layer 'Foo'; known are"),
        ("[-1, 1, C3+EMA@middle, [64]]", "write C3+EMA for every bottleneck, C3+EMA@end for the block's end"),
        ("[-1, 1, C3+EMA@, [64]]", "'C3+EMA@' is no block with layers inside"),
        ("[-1, 1, C3+EMA(8, [64]]", "C3+EMA(8: a row is a list of four, [from, number, module, arguments]; arguments"),
        ("[-1, 1, C3+CBAM(16, 7), [64]]", "arguments with a comma need quotes, `'C3+CBAM(16, 7)'`"),
        ("[-1, 1, 'C3+EMA(8', [64]]", "or C3+CBAM+EMA; a text with a comma needs quotes in YAML"),
        ("[-1, 1, C3+EMA(8.5), [64]]", "8.5 does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, 'C3+EMA(8, 8)', [64]]", "2 arguments do not fit EMA(factor: int = 32)"),
        ("[-1, 1, 'C3+ReZero(EMA, 8.5)', [64]]", "8.5 does not fit factor of EMA(factor: int = 32)"),
        ("[-1, 1, C3+EMA(64), [64]]", "EMA: 32 channels cannot be split into 64 groups; the nearest factor that fits is 32."),
        ("[-1, 1, C3+EMA(__import__('os').getcwd()), [64]]", "names no layer"),
    ],
)  # fmt: skip
def test_what_cannot_stand_inside_is_refused_with_the_row_and_the_way_out(row, message):
    row = yaml.safe_load("- " + row.replace("C3+EMA(8, [64]]", "C3+EMA(8, 3), [64]]"))[0]
    model = {"yaml_file": "my.yaml", "nc": 2, "backbone": [[-1, 1, "Conv", [64, 3, 1]], row], "head": []}
    with pytest.raises(ValueError) as caught:
        tasks.parse_model(model, ch=3, verbose=False)
    assert str(caught.value).startswith("my.yaml, row 1 `- ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert Conv.default_act is not None
