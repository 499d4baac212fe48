"""The model files of cfg/: written by scripts/maintain/cfg.py, wired right, and as large as the papers' networks."""

from pathlib import Path

import pytest
import torch
import ultralytics
import yaml
from torch import nn
from ultralytics.nn import tasks
from ultralytics.utils.checks import check_version

from scripts.maintain import cfg as make_cfgs
from scripts.maintain import resnet_yolov3
from yolo_attn.checking.check import check
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import rows
from yolo_attn.plugin.files import find

ROOT = Path(__file__).parents[1]
ALL = sorted(path.name for path in (ROOT / "cfg").glob("*.yaml"))
FILES = sorted(make_cfgs.name(*entry) for entry in make_cfgs.TABLE)
INSIDE = [name for name in FILES if name.endswith("-inside.yaml")]
P2 = [name for name in FILES if name.startswith("yolov5-p2")]
# Stock files change: an older Ultralytics has not all families and writes some rows otherwise.
NEWEST = pytest.mark.skipif(not check_version(ultralytics.__version__, ">=8.4.190"), reason="cfg/ is of 8.4.190")


def text_of(file: str) -> str:
    if file in FILES and not known_family(file):
        pytest.skip(f"Ultralytics {ultralytics.__version__} has no {file.partition('-')[0]}")
    return (ROOT / "cfg" / file).read_text(encoding="utf-8")


def known_family(file: str) -> bool:
    try:
        return find(f"{file.partition('-')[0]}.yaml").is_file()
    except FileNotFoundError:
        return False


def network(text: str, scale: str) -> nn.Sequential:
    """The layers at one scale, without memory for weights."""
    with torch.device("meta"):
        return tasks.parse_model({**yaml.safe_load(text), "nc": 10, "scale": scale}, 3, verbose=False)[0]


def parameters(layers) -> int:
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters())


def attention(text: str, scale: str) -> list[nn.Module]:
    return [layer for layer in network(text, scale) if type(layer) in LAYERS.values()]


@NEWEST
@pytest.mark.parametrize("entry", make_cfgs.TABLE, ids=lambda entry: make_cfgs.name(*entry))
def test_a_file_is_what_the_script_writes(entry):
    assert (ROOT / "cfg" / make_cfgs.name(*entry)).read_bytes() == make_cfgs.cfg(*entry).encode()


@pytest.mark.parametrize("entry", make_cfgs.CLASSIFIERS, ids=lambda entry: entry[0])
def test_a_classifier_is_what_the_script_writes(entry):
    assert (ROOT / "cfg" / f"{entry[0]}-cls.yaml").read_bytes() == make_cfgs.classifier(*entry).encode()


# Millions of parameters that the papers print: EMA 1, GAM 1 and 2, EMCA 4 (in units of 2^20); EMA leaves its norms out.
@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("resnet50-cifar-cls.yaml", 23_705_252),
        ("resnet50-ema-cifar-cls.yaml", 23_903_620),
        ("resnet50-gam-cifar-cls.yaml", "149.47"),
        ("resnet50-gam-cls.yaml", "151.32"),
        ("mobilenetv2-gam-cls.yaml", "4.93"),
        ("resnet50-emca-cls.yaml", 26_253_370),
    ],
)
def test_a_classifier_is_as_large_as_the_papers(file, count):
    with torch.device("meta"):
        found = parameters(tasks.parse_model(yaml.safe_load(text_of(file)), 3, verbose=False)[0])
    assert (found if isinstance(count, int) else f"{found / 1e6:.2f}") == count


def test_the_stem_for_pictures_of_32_pixels_keeps_their_size():
    network = tasks.parse_model(yaml.safe_load(text_of("resnet50-ema-cifar-cls.yaml")), 3, verbose=False)[0][0]
    assert (network.conv1.kernel_size, network.conv1.stride) == ((3, 3), (1, 1))
    assert [tuple(x.shape[2:]) for x in network(torch.zeros(2, 3, 32, 32))] == [(32, 32), (16, 16), (8, 8), (4, 4)]


@pytest.mark.parametrize("entry", resnet_yolov3.TABLE, ids=lambda entry: resnet_yolov3.name(*entry))
def test_a_resnet_under_yolov3s_head_is_what_its_script_writes(entry):
    assert (ROOT / "cfg" / resnet_yolov3.name(*entry)).read_bytes() == resnet_yolov3.cfg(*entry).encode()


def test_no_stock_family_has_a_file_that_the_script_does_not_write():
    assert [name for name in ALL if name.startswith("yolo")] == FILES


def test_every_classifier_is_one_that_the_script_writes():
    assert {name for name in ALL if name.endswith("-cls.yaml")} == {
        f"{entry[0]}-cls.yaml" for entry in make_cfgs.CLASSIFIERS
    }


@pytest.mark.parametrize("file", ALL)
def test_nothing_is_found_in_a_file(file):
    assert check(text_of(file)) == []


@pytest.mark.parametrize("file", ALL)
def test_every_row_reaches_the_head(file):
    parsed = rows.parse(text_of(file))
    reaching = {parsed[-1].index}
    for row in reversed(parsed):
        if row.index in reaching:
            reaching.update(row.sources)
    assert {row.index for row in parsed} <= reaching


@pytest.mark.parametrize("file", [name for name in FILES if name not in INSIDE])
def test_whatever_read_the_row_before_an_attention_layer_reads_the_layer(file):
    parsed = rows.parse(text_of(file))
    ours = [row for row in parsed if row.module in LAYERS]
    for row in ours:
        assert row.sources == [row.index - 1]
        assert [other.index for other in parsed if row.index - 1 in other.sources] == [row.index]
    assert bool(ours) == (file not in {"yolov5-p2.yaml", "yolov5-v6.yaml", "yolov5-v6-p2.yaml"})


@pytest.mark.parametrize(("file", "blocks"), zip(INSIDE, ["C3k2", "C3k2", "C3", "C2f"], strict=True))
def test_ema_stands_in_every_bottleneck_of_the_backbone_and_nowhere_else(file, blocks):
    text = text_of(file)
    parsed = rows.parse(text)
    assert {row.module for row in parsed if row.block == blocks and row.section == "backbone"} == {f"{blocks}+EMA(8)"}
    layers = network(text, "x")
    for row in parsed[:-1]:
        units = [module for module in layers[row.index].modules() if type(module).__name__ == "Bottleneck"]
        inside = [module for module in layers[row.index].modules() if type(module) is LAYERS["EMA"]]
        assert len(inside) == (len(units) if row.section == "backbone" else 0)


@pytest.mark.parametrize("scale", ["n", "x"])
@pytest.mark.parametrize("file", FILES)
def test_a_file_is_found_by_its_scaled_name_and_builds(file, scale, tmp_path, monkeypatch):
    text = text_of(file)
    monkeypatch.chdir(tmp_path)
    family, dash, variant = file.partition("-")
    found = tasks.yaml_model_load(f"{family}{scale}{dash}{variant}")
    assert found["scale"] == scale
    assert found["head"] == yaml.safe_load(text)["head"]
    assert len(network(text, scale)) == len(rows.parse(text))


@pytest.mark.parametrize("file", FILES)
def test_the_strides_are_those_of_the_maps(file):
    model = tasks.DetectionModel({**yaml.safe_load(text_of(file)), "scale": "n"}, verbose=False)
    assert model.stride.tolist() == ([4, 8, 16, 32] if "-p2" in file else [8, 16, 32])


@pytest.mark.parametrize("file", P2)
def test_four_maps_of_strides_4_to_32_enter_the_head(file):
    *_, head = network(text_of(file), "x")
    assert head.nl == 4
    assert [branch[0].conv.in_channels for branch in head.cv2] == [320, 320, 640, 1280]


@pytest.mark.parametrize("file", [name for name in P2 if name != "yolov5-p2.yaml"])
def test_attention_stands_after_the_five_c3_of_the_neck_above_stride_32(file):
    text = text_of(file)
    parsed = rows.parse(text)
    before = [parsed[row.sources[0]] for row in parsed if row.module in LAYERS]
    assert [row.module for row in before] == ["C3"] * 5
    layers = network(text, "x")
    assert [layers[row.index].cv3.conv.out_channels for row in before] == [640, 320, 320, 320, 640]
    assert all(row.section == "head" for row in before)


# EMA paper (https://arxiv.org/abs/2305.13563), table 2, YOLOv5x on VisDrone with 10 classes: the counts of the networks
# behind its rounded numbers. Those with attention also have the parameters of a stale index: a Concat takes the
# 640-channel attention map where the 320-channel lateral map was meant.
PUBLISHED = 90_963_540
WRONG_CONCAT = 320 * 2 * 320  # 320 more channels into the two 1x1 convolutions, 320 wide, of the C3 behind it


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("yolov5-p2-ema.yaml", 91_179_620 - PUBLISHED - WRONG_CONCAT),
        ("yolov5-p2-cbam.yaml", 91_309_630 - PUBLISHED - WRONG_CONCAT),
        ("yolov5-p2-ca.yaml", 91_278_630 - PUBLISHED - WRONG_CONCAT),
        ("yolov5-p2-eca.yaml", 5 * 5),  # not in the paper; a kernel of 5 for 320 and for 640 channels
        ("yolov5-p2-sa.yaml", 2 * 6 * 10 + 3 * 6 * 5),  # not in the paper; 6 for each of C / (2 * 32) channels
    ],
)
def test_attention_has_as_many_parameters_as_in_the_paper(file, expected):
    text = text_of(file)
    assert parameters(attention(text, "x")) == expected
    *body, _ = network(text, "x")
    *plain, _ = network(text_of("yolov5-p2.yaml"), "x")
    assert parameters(body) - parameters(plain) == expected


def test_the_body_is_the_papers_but_for_the_depth_of_one_stage():
    """The paper's backbone is older than v6.0: 9 blocks at stride 8 before scaling, not 6; its head has anchors."""
    *body, _ = network(text_of("yolov5-p2.yaml"), "x")
    own_head = sum(channels * 45 + 45 for channels in (320, 320, 640, 1280))  # 3 anchors of 5 + 10 numbers each
    block = 160 * 160 + 2 * 160 + 9 * 160 * 160 + 2 * 160  # a 1x1 and a 3x3 convolution with their norms
    assert parameters(body) + own_head + 4 * block == PUBLISHED  # scale x: 9 * 1.33 is 12 blocks, 6 * 1.33 is 8


def yolov3_neck(stages: tuple[int, ...], classes: int) -> int:
    """Parameters behind a backbone of YOLOv3 (arXiv 1804.02767), counted by hand: three 1x1 and 3x3 convolutions with norms a level."""

    def conv(source: int, width: int, kernel: int) -> int:
        return source * width * kernel**2 + 2 * width

    total, above = 0, 0
    for width, stage in zip((1024, 512, 256), reversed(stages), strict=True):
        half = width // 2
        lateral = conv(above, half, 1) if above else 0
        joined = stage + (half if above else 0)
        pairs = conv(joined, half, 1) + 2 * conv(width, half, 1) + 3 * conv(half, width, 3)
        head = (width + 1) * 3 * (5 + classes)  # a 1x1 convolution with bias, three anchors
        total, above = total + lateral + pairs + head, half
    return total


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_a_resnet_under_yolov3s_head_has_the_parameters_of_its_parts(depth):
    # torchvision's ResNets without their classifier; EMCA-SE: 2 * C^2 / 16 a stage and a kernel over 1 + N sources
    backbone = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}[depth] - 1000 * ({50: 2048}.get(depth, 512) + 1)
    widths = [planes * (4 if depth == 50 else 1) for planes in (64, 128, 256, 512)]
    blocks = {18: (1, 2, 2, 2), 34: (1, 3, 4, 6), 50: (1, 3, 4, 6)}[
        depth
    ]  # of the stage before; the stem counts as one
    emca = sum(2 * width * (width // 16) + 1 + number for width, number in zip(widths, blocks, strict=True))
    expected = backbone + yolov3_neck(widths[1:], 10)
    assert parameters(network(text_of(f"resnet{depth}-yolov3.yaml"), "")) == expected
    assert parameters(network(text_of(f"resnet{depth}-emca-yolov3.yaml"), "")) == expected + emca


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_a_resnet_under_yolov3s_head_is_found_by_its_name_and_has_yolov3s_strides_and_anchors(
    depth, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = tasks.DetectionModel(f"resnet{depth}-emca-yolov3.yaml", verbose=False)
    assert model.stride.tolist() == [8, 16, 32]
    pairs = model.model[-1].sizes.flatten(0, 1).tolist()
    assert pairs == [[10, 13], [16, 30], [33, 23], [30, 61], [62, 45], [59, 119], [116, 90], [156, 198], [373, 326]]
