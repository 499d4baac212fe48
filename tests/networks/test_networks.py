"""ResNet and MobileNetV2 with attention, as modules and as rows of a model YAML."""

import copy
import pickle
import re
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from torch import nn
from ultralytics.nn import tasks
from ultralytics.nn.modules.conv import Index

import yolo_attn
from tests.tolerance import TOLERANCE
from yolo_attn import networks
from yolo_attn.layers import is_multi_source
from yolo_attn.networks.mobilenet import MobileNetV2
from yolo_attn.networks.resnet import ResNet
from yolo_attn.networks.row_arguments import read_layer_call
from yolo_attn.networks.torchvision_weights import load_torchvision_weights
from yolo_attn.plugin import parse_model

SINGLE = [name for name, layer in yolo_attn.LAYERS.items() if not is_multi_source(layer)]
THEIRS = {18: torchvision.models.resnet18, 34: torchvision.models.resnet34, 50: torchvision.models.resnet50}


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def on_meta(kind, *arguments):
    with torch.device("meta"):
        return kind(3, *arguments)


@pytest.mark.parametrize("depth", THEIRS)
def test_a_plain_resnet_computes_what_torchvisions_does(depth):
    theirs, ours = THEIRS[depth]().eval(), ResNet(3, depth).eval()
    assert load_torchvision_weights(ours, theirs.state_dict()) == 1
    x = torch.rand(1, 3, 64, 64)
    expected = theirs.fc(ours(x)[-1].mean((2, 3)))
    torch.testing.assert_close(theirs(x), expected, **TOLERANCE[torch.float32])


def test_a_plain_mobilenet_computes_what_torchvisions_does():
    theirs, ours = torchvision.models.mobilenet_v2().eval(), MobileNetV2(3).eval()
    assert load_torchvision_weights(ours, theirs.state_dict()) == 1
    x = torch.rand(1, 3, 64, 64)
    expected = theirs.classifier(ours(x)[-1].mean((2, 3)))
    torch.testing.assert_close(theirs(x), expected, **TOLERANCE[torch.float32])


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        ((50, "EMA(32)"), 198_368),
        ((50, "EMCA(se)", "first"), 696_338),
        ((50, "EPSA", "conv"), 25_557_032 - 11_317_248 - 22_561_715),
    ],
    ids=["EMA", "EMCA", "EPSA"],
)
def test_torchvisions_weights_fill_all_but_the_new_parameters(arguments, new):
    network = ResNet(3, *arguments)
    share = load_torchvision_weights(network, torchvision.models.resnet50().state_dict())
    assert share == pytest.approx(1 - abs(new) / count(network))


def test_weights_of_another_family_are_refused():
    with pytest.raises(ValueError, match=r"none of the .* tensors fits ResNet"):
        load_torchvision_weights(ResNet(3, 18), torchvision.models.mobilenet_v2().state_dict())


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("place", ["end", "first", "last", "stages", "alternate", "once"])
def test_every_layer_goes_into_every_place_it_can_take(name, place):
    network = on_meta(ResNet, 50, name, place)
    places = {"end": 16, "first": 4, "last": 4, "stages": 3, "alternate": 5, "once": 1}[place]
    assert sum(type(module) is yolo_attn.LAYERS[name] for module in network.modules()) == places
    assert [tuple(x.shape) for x in network.eval()(torch.empty(1, 3, 64, 64, device="meta"))] == [
        (1, 256, 16, 16),
        (1, 512, 8, 8),
        (1, 1024, 4, 4),
        (1, 2048, 2, 2),
    ]


@pytest.mark.parametrize("name", ["AAConv", "EPSA", "DMSA"])
@pytest.mark.parametrize("depth", [18, 50])
def test_a_layer_with_a_stride_stands_in_place_of_the_convolution(name, depth):
    network = on_meta(ResNet, depth, name, "conv").eval()
    assert [x.shape[2] for x in network(torch.empty(1, 3, 64, 64, device="meta"))] == [16, 8, 4, 2]
    assert all(type(block.conv2) is yolo_attn.LAYERS[name] for stage in network.stages for block in stage)


@pytest.mark.parametrize(
    ("place", "blocks"),
    [
        ("end", [4, 6, 3]),
        ("first", [1, 1, 1]),
        ("last", [1, 1, 1]),
        ("conv", [4, 6, 3]),
        ("stages", [1, 1]),
        ("alternate", [2, 3]),
        ("once", [0, 1]),
    ],
)
def test_a_layer_may_begin_at_a_later_stage(place, blocks):
    network = on_meta(ResNet, 50, "EPSA", place, "imagenet", "stage", 3).eval()
    widths = [module.convs[0].in_channels for module in network.modules() if type(module) is yolo_attn.LAYERS["EPSA"]]
    stages = (128, 256, 512) if place == "conv" else (512, 1024, 2048)
    assert widths == [width for width, times in zip(stages, blocks, strict=False) for _ in range(times)]
    assert network(torch.empty(1, 3, 64, 64, device="meta"))[-1].shape == (1, 2048, 2, 2)


def test_a_layer_behind_a_block_reads_the_sum_of_branch_and_shortcut():
    network, seen = ResNet(3, 50, "SE", "once").eval(), []
    block = network.layer3[4]
    block.behind.register_forward_pre_hook(lambda _, arguments: seen.extend(arguments))
    network.layer3[5].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    block.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        network(torch.rand(1, 3, 64, 64))
        before, read, handed_on = seen
        gate, block.behind = block.behind, None
        torch.testing.assert_close(read, block(before), rtol=0, atol=0)
        torch.testing.assert_close(handed_on, gate(read), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("depth", "kernels", "expected"),
    [
        (50, "3 5 5 7", 27_899_518),  # printed as 27.90
        (101, "3 5 5 7", 49_592_198),  # 49.59
        (50, "3 5 7 9", 27_899_518 + 2_200_576),  # the kernels of the paper: 56 / 32 of C * C / 4 more per block, 30.10
        (101, "3 5 7 9", 49_592_198 + 4_150_272),  # 53.74
    ],
)
def test_epsanet_large_has_the_published_parameters(depth, kernels, expected):
    call = f"EPSA(16, '{kernels}', '32 32 32 32')"
    network = on_meta(ResNet, depth, call, "conv", "imagenet", "stage", 2, 2)
    assert count(network) + 2048 * 1000 + 1000 == expected


@pytest.mark.parametrize(("depth", "expected"), [(50, 25_809_392), (101, 45_386_728)])  # printed as 25.80 and 45.40
def test_augmented_convolutions_from_stage_3_make_an_aa_resnet(depth, expected):
    network = on_meta(ResNet, depth, "AAConv", "conv", "imagenet", "stage", 3)
    assert count(network) + 2048 * 1000 + 1000 == expected


def test_twice_the_width_is_torchvisions_wide_resnet():
    theirs, ours = torchvision.models.wide_resnet50_2().eval(), ResNet(3, 50, width=2).eval()
    assert load_torchvision_weights(ours, theirs.state_dict()) == 1
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(theirs(x), theirs.fc(ours(x)[-1].mean((2, 3))), **TOLERANCE[torch.float32])


@pytest.mark.parametrize(
    ("region", "sources"),
    [("own", [1, 1, 1, 1]), ("previous", [2, 2, 2, 2]), ("stage", [2, 4, 5, 7]), ("stages", [2, 3, 4, 5])],
)
def test_a_region_says_how_many_maps_are_mixed(region, sources):
    network = on_meta(ResNet, 50, "EMCA", "first", "imagenet", region)
    assert [len(stage[0].attention.repeats) for stage in network.stages] == sources
    network.eval()(torch.empty(1, 3, 64, 64, device="meta"))


def test_the_maps_of_a_region_come_nearest_first(monkeypatch):
    network, seen = ResNet(3, 18, "EMCA", "first", "imagenet", "stage").eval(), []
    monkeypatch.setattr(network.layer2[0].attention, "forward", lambda maps: seen.extend(maps) or maps[0])
    with torch.no_grad():
        maps = network(torch.rand(1, 3, 64, 64))
    assert torch.equal(seen[1], maps[0])  # the last block of stage 2, then the one before it
    assert seen[2].shape == maps[0].shape and not torch.equal(seen[2], maps[0])


@pytest.mark.parametrize(
    ("kind", "arguments", "sides"),
    [
        (ResNet, (18, "", "end", "imagenet"), [16, 8, 4, 2]),
        (ResNet, (18, "", "end", "cifar"), [64, 32, 16, 8]),
        (ResNet, (18, "", "end", "strided"), [16, 8, 4, 2]),
        (MobileNetV2, ("SE", "stages"), [16, 8, 4, 2]),
        (MobileNetV2, ("SE", "end", "cifar"), [64, 32, 16, 8]),
    ],
)
def test_a_stem_sets_the_strides(kind, arguments, sides):
    network = on_meta(kind, *arguments)
    maps = network.eval()(torch.empty(1, 3, 64, 64, device="meta"))
    assert [x.shape[2] for x in maps] == sides
    assert [x.shape[1] for x in maps] == list(kind.stage_widths(*arguments))


@pytest.mark.parametrize("kind", [ResNet, MobileNetV2])
def test_an_image_may_have_other_than_three_channels(kind):
    kind(1).eval()(torch.rand(1, 1, 32, 32))


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (ResNet, (20,), "ResNet: there is no depth 20; write 18, 34, 50, 101"),
        (
            ResNet,
            (18, "EMA", "middle"),
            "ResNet: there is no place 'middle'; write end, first, last, conv, stages, alternate, once",
        ),
        (
            ResNet,
            (50, "EMA", "once", "imagenet", "stage", 5),
            "ResNet: the place once ends at stage 4, found from_stage 5; write a smaller one",
        ),
        (ResNet, (18, "EMA", "end", "imagenet", "stage", 1), "ResNet: there is no from_stage 1; write 2, 3, 4, 5"),
        (
            ResNet,
            (34, "", "end", "imagenet", "stage", 2, 2),
            "ResNet: width must be 1 or more, and 1 at depths 18 and 34; found 2 at depth 34",
        ),
        (
            ResNet,
            (50, "", "end", "imagenet", "stage", 2, 0),
            "ResNet: width must be 1 or more, and 1 at depths 18 and 34; found 0 at depth 50",
        ),
        (ResNet, (18, "EMA", "end", "tiny"), "ResNet: there is no stem 'tiny'; write imagenet, cifar, strided"),
        (
            ResNet,
            (18, "EMCA", "end"),
            "ResNet: EMCA reads several feature maps, which only the place first gives; found end",
        ),
        (ResNet, (18, "EMA", "conv"), "ResNet: EMA takes no stride and cannot stand in place of a convolution"),
        (ResNet, (18, "EMMA"), "there is no layer 'EMMA'; known are "),
        *[
            (
                ResNet,
                (18, text),
                f"{text!r} names no layer; write it like EMA, EMA(8) or EMCA(srm), with plain values by position",
            )
            for text in (
                *("EMA:8", "EMA(factor=8)", "EMA(f(8))", "EMA(*a)", "EMA(8)(8)", "nn.EMA(8)", "8", "EMA EMA"),
                *("EMA(\0)", "(" * 9999, "lambda: EMA", "EMA(1 + 2)", "EMA(__import__('os'))"),
            )
        ],
        (
            ResNet,
            (18, "CBAM(16"),
            "'CBAM(16' names no layer; write it like EMA, EMA(8) or EMCA(srm), with plain values",
        ),
        (ResNet, (18, "EMA(7)"), "EMA: 64 channels cannot be split into 7 groups"),
        (MobileNetV2, ("EMCA",), "MobileNetV2: EMCA reads several feature maps; only ResNet gives them"),
        (MobileNetV2, ("SE", "first"), "MobileNetV2: there is no place 'first'; write end, stages"),
    ],
)
def test_a_network_that_cannot_be_is_refused(kind, arguments, message):
    with pytest.raises(ValueError) as error:
        on_meta(kind, *arguments)
    assert str(error.value).startswith(message)


def rows(*more, nc=3):
    backbone = [[-1, 1, "ResNet", [18, "EMA(8)", "first"]]]
    return {"nc": nc, "yaml_file": "my.yaml", "backbone": backbone, "head": list(more)}


def build(*more):
    return parse_model(copy.deepcopy(rows(*more)), 3, verbose=False)[0]


def test_a_text_cut_at_its_comma_is_told_to_be_quoted():
    with pytest.raises(ValueError, match=r"'CBAM\(16' names no layer; .*; a text with a comma needs quotes in YAML"):
        on_meta(ResNet, 18, "CBAM(16")


def test_a_call_may_stand_between_spaces_and_hold_words_and_signs():
    assert read_layer_call(" EMA ( 8 ) ") == (yolo_attn.LAYERS["EMA"], [8])
    assert read_layer_call("EMCA(srm)") == (yolo_attn.LAYERS["EMCA"], ["srm"])
    assert read_layer_call("CBAM(16, 7, True)") == (yolo_attn.LAYERS["CBAM"], [16, 7, True])
    assert read_layer_call("ECA(0, -2.5)") == (yolo_attn.LAYERS["ECA"], [0, -2.5])
    assert read_layer_call("EMA") == (yolo_attn.LAYERS["EMA"], [])


def test_rows_take_the_width_of_the_stage_they_pick():
    model = build([0, 1, "Feature", [3]], [-1, 1, "SE", []], [[-1, 1], 1, "Concat", [1]], [-1, 1, "Conv", [32, 1]])
    assert count(model[2]) == 128 * 128 // 8
    assert model[4].conv.in_channels == 256
    assert [row.f for row in model] == [-1, 0, -1, [-1, 1], -1]


@pytest.mark.parametrize(
    ("row", "widths"),
    [
        ([-1, 1, "ResNet", [18]], [64, 128, 256, 512]),
        ([-1, 1, "ResNet", [34]], [64, 128, 256, 512]),
        ([-1, 1, "ResNet", []], [256, 512, 1024, 2048]),
        ([-1, 1, "ResNet", [101]], [256, 512, 1024, 2048]),
        ([-1, 1, "MobileNetV2", ["SE"]], [24, 32, 96, 1280]),
    ],
)
def test_a_feature_row_is_the_stock_index_of_its_stage_and_passes_its_map_on(row, widths):
    stages = [[0, 1, "Feature", [stage]] for stage in (2, 3, 4, 5)]
    convs = [[number, 1, "Conv", [8, 1]] for number in (1, 2, 3, 4)]
    with torch.device("meta"):
        model, save = parse_model({"backbone": [row], "head": [*stages, *convs]}, 3, verbose=False)
    assert [type(module) for module in model[1:5]] == [Index] * 4
    assert [module.conv.in_channels for module in model[5:]] == widths
    assert [module.f for module in model] == [-1, 0, 0, 0, 0, 1, 2, 3, 4] and {0, 1, 2, 3, 4} == set(save)
    maps = model.eval()[0](torch.empty(1, 3, 64, 64, device="meta"))
    for number in (1, 2, 3, 4):
        assert model[number](maps) is maps[number - 1]
        assert model[number + 4](maps[number - 1]).shape[1] == 8


def test_a_model_keeps_feature_rows_as_they_were_written():
    model = rows([-1, 1, "Feature", [5]], [-1, 1, "Classifier", ["nc"]])
    parse_model(model, 3, verbose=False)
    assert model == rows([-1, 1, "Feature", [5]], [-1, 1, "Classifier", ["nc"]])


def test_the_stock_index_reads_a_network_as_well():
    model = build([0, 1, "Index", [128, 1]], [-1, 1, "Conv", [32, 1]])
    assert model[2].conv.in_channels == 128


def test_a_network_may_follow_other_rows():
    first = [[-1, 1, "Conv", [16, 3, 1]], [-1, 1, "ResNet", [18]]]
    model, _ = parse_model({"backbone": first, "head": [[-1, 1, "Feature", [2]]]}, 3, verbose=False)
    assert model[1].conv1.in_channels == 16


def test_a_classifier_takes_its_width_from_its_source_and_its_classes_from_nc():
    linear = build([-1, 1, "Feature", [5]], [-1, 1, "Classifier", ["nc"]])[-1].linear
    assert (linear.in_features, linear.out_features) == (512, 3)


FEATURE_5 = [-1, 1, "Feature", [5]]
BETWEEN = "which gives several feature maps; put `- [0, 1, Feature, [5]]` in between"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            [[-1, 1, "Feature", [6]]],
            "my.yaml, row 1 `- [-1, 1, Feature, [6]]`: Feature: there is no stage 6; write 2 to 5",
        ),
        ([[-1, 1, "Feature", [1]]], "Feature: there is no stage 1; write 2 to 5"),
        ([[-1, 1, "Feature", ["P5"]]], "Feature: there is no stage 'P5'; write 2 to 5"),
        ([[-1, 1, "Feature", [True]]], "Feature: there is no stage True; write 2 to 5"),
        ([[-1, 2, "Feature", [5]]], "Feature changes the width and cannot be repeated; found n = 2, write 1"),
        ([[-1, 1, "Feature", []]], "0 arguments do not fit Feature(stage: int); write the number of one stage, [5]"),
        ([[-1, 1, "Feature", [4, 5]]], "2 arguments do not fit Feature(stage: int); write the number of one stage"),
        ([[[0], 1, "Feature", [5]]], "Feature reads one row, found the list [0]; write one index"),
        (
            [FEATURE_5, FEATURE_5],
            "row 2 `- [-1, 1, Feature, [5]]`: Feature reads a network such as ResNet; its source gives one feature map",
        ),
        ([[-1, 1, "Conv", [64, 1]]], f"row 1 `- [-1, 1, Conv, [64, 1]]`: Conv cannot read row 0, ResNet, {BETWEEN}"),
        ([FEATURE_5, [[-1, 0], 1, "Concat", [1]]], f"Concat cannot read row 0, ResNet, {BETWEEN}"),
        ([[-1, 1, "EMA", []]], f"EMA cannot read row 0, ResNet, {BETWEEN}"),
        ([FEATURE_5, [[-1, 0], 1, "EMCA", []]], f"EMCA cannot read row 0, ResNet, {BETWEEN}"),
        ([FEATURE_5, [-2, 1, "Classifier", ["nc"]]], f"Classifier cannot read row 0, ResNet, {BETWEEN}"),
        (
            [FEATURE_5, [-1, 1, "Classifier", ["nc"]], [-1, 1, "Conv", [8, 1]]],
            "row 2 `- [-1, 1, Classifier, [nc]]`: Classifier gives classes, which no row can read; make it the last row",
        ),
        (
            [FEATURE_5, [-1, 1, "ResNet", [18]]],
            "row 2 `- [-1, 1, ResNet, [18]]`: ResNet gives several feature maps and cannot be the last row",
        ),
        (
            [FEATURE_5, [-1, 3, "Classifier", ["nc"]]],
            "Classifier changes the width and cannot be repeated; found n = 3",
        ),
        ([FEATURE_5, [-1, 1, "Classifier", []]], "0 arguments do not fit Classifier(classes: int)"),
        ([FEATURE_5, [-1, 1, "Classifier", ["c"]]], "'c' does not fit classes of Classifier(classes: int)"),
    ],
)
def test_a_wrong_row_is_refused_with_the_way_out(more, message):
    with pytest.raises(ValueError) as error:
        build(*more)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([20], "ResNet: there is no depth 20; write 18, 34, 50, 101"),
        (["50"], None),
        (["deep"], "'deep' does not fit depth of ResNet(depth: int = 50"),
        ([50, "EMA(7)"], "EMA: 256 channels cannot be split into 7 groups"),
        ([50, "EMA(a)"], "'a' does not fit factor of EMA(factor: int = 32)"),
        ([50, "EMA(8, 8)"], "2 arguments do not fit EMA(factor: int = 32)"),
        ([50, "EMA(8.5)"], "8.5 does not fit factor of EMA(factor: int = 32)"),
        ([50, "CBAM(16"], "a text with a comma needs quotes in YAML"),
        ([50, "ReZero(EMA, 8.5)"], "8.5 does not fit factor of EMA(factor: int = 32)"),
        ([50, 8], "8 does not fit layer of ResNet("),
        ([50, None], "None does not fit layer of ResNet("),
        ([50, ""], None),
    ],
)
def test_arguments_of_a_network_and_of_the_layer_in_it_are_checked(arguments, message):
    model = {"yaml_file": "my.yaml", "backbone": [[-1, 1, "ResNet", arguments]], "head": [FEATURE_5]}
    if message is None:
        with torch.device("meta"):
            assert type(parse_model(model, 3, verbose=False)[0][0]) is ResNet
        return
    with pytest.raises(ValueError) as error, torch.device("meta"):
        parse_model(model, 3, verbose=False)
    assert message in str(error.value) and "my.yaml, row 0 `- [-1, 1, ResNet, " in str(error.value)
    assert " object at 0x" not in str(error.value)


def test_a_feature_row_without_a_row_before_it_is_refused():
    with pytest.raises(ValueError, match=r"row 0 .*: Feature reads a network such as ResNet"):
        parse_model({"backbone": [[-1, 1, "Feature", [5]]], "head": []}, 3, verbose=False)


@pytest.mark.parametrize("name", ["Classifier", "Feature", "MobileNetV2", "ResNet"])
def test_a_stock_module_of_the_same_name_is_left_alone(name, monkeypatch):
    class Stock(nn.Conv2d):
        pass

    monkeypatch.setattr(tasks, name, Stock, raising=False)
    model, _ = parse_model({"backbone": [[-1, 1, name, [3, 8, 1]]], "head": []}, 3, verbose=False)
    assert type(model[0]) is Stock


def test_every_class_in_a_network_is_known_to_a_reader_that_admits_only_known_ones():
    known = {*networks.classes()}
    for network in (ResNet(3, 18, "EMA"), ResNet(3, 50), MobileNetV2(3, "SE")):
        own = {type(module) for module in network.modules()}
        assert {kind for kind in own if kind.__module__.startswith(("yolo_attn.networks", "torchvision"))} <= known


def test_a_network_is_copied_and_pickled():
    network = ResNet(3, 18, "EMCA(srm)", "first").eval()
    x = torch.rand(1, 3, 32, 32)
    for copied in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(copied(x)[-1], network(x)[-1])


def test_the_networks_that_the_guide_lists_have_the_parameters_that_it_says():
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "networks.md").read_text(encoding="utf-8")
    listed = re.findall(r"\| `(\w+, \[.*\])` \| ([\d,]+) \|$", guide, re.MULTILINE)
    assert len(listed) == 5
    for row, parameters in listed:
        model = yaml.safe_load(f"{{nc: 1000, backbone: [[-1, 1, {row}]]}}")
        head = [[-1, 1, "Feature", [5]], [-1, 1, "Classifier", ["nc"]]]
        with torch.device("meta"):
            built, _ = parse_model({**model, "head": head}, 3, verbose=False)
        assert count(built) == int(parameters.replace(",", "")), row
