"""ResNet and MobileNetV2 with attention, as modules and as rows of a model YAML."""

import copy
import pickle

import pytest
import torch
import torchvision
from ultralytics.nn import tasks

import yolo_attn
from tests.tolerance import TOLERANCE
from yolo_attn.networks import registry as networks
from yolo_attn.networks.mobilenet import MobileNetV2
from yolo_attn.networks.resnet import ResNet

SINGLE = [name for name, layer in yolo_attn.LAYERS.items() if not getattr(layer, "multi_source", False)]
THEIRS = {18: torchvision.models.resnet18, 34: torchvision.models.resnet34, 50: torchvision.models.resnet50}


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def on_meta(kind, *arguments):
    with torch.device("meta"):
        return kind(3, *arguments)


@pytest.mark.parametrize("depth", THEIRS)
def test_a_plain_resnet_computes_what_torchvisions_does(depth):
    theirs, ours = THEIRS[depth]().eval(), ResNet(3, depth).eval()
    assert networks.carry(ours, theirs.state_dict()) == 1
    x = torch.rand(1, 3, 64, 64)
    expected = theirs.fc(ours(x)[-1].mean((2, 3)))
    torch.testing.assert_close(theirs(x), expected, **TOLERANCE[torch.float32])


def test_a_plain_mobilenet_computes_what_torchvisions_does():
    theirs, ours = torchvision.models.mobilenet_v2().eval(), MobileNetV2(3).eval()
    assert networks.carry(ours, theirs.state_dict()) == 1
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
    share = networks.carry(network, torchvision.models.resnet50().state_dict())
    assert share == pytest.approx(1 - abs(new) / count(network))


def test_weights_of_another_family_are_refused():
    with pytest.raises(ValueError, match=r"none of the .* tensors fits ResNet"):
        networks.carry(ResNet(3, 18), torchvision.models.mobilenet_v2().state_dict())


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("place", ["end", "first", "last", "stages"])
def test_every_layer_goes_into_every_place_it_can_take(name, place):
    network = on_meta(ResNet, 50, name, place)
    places = {"end": 16, "first": 4, "last": 4, "stages": 3}[place]
    assert sum(type(module) is yolo_attn.LAYERS[name] for module in network.modules()) == places
    assert [tuple(x.shape) for x in network.eval()(torch.empty(1, 3, 64, 64, device="meta"))] == [
        (1, 256, 16, 16),
        (1, 512, 8, 8),
        (1, 1024, 4, 4),
        (1, 2048, 2, 2),
    ]


@pytest.mark.parametrize("name", ["EPSA", "DMSA"])
@pytest.mark.parametrize("depth", [18, 50])
def test_a_layer_with_a_stride_stands_in_place_of_the_convolution(name, depth):
    network = on_meta(ResNet, depth, name, "conv").eval()
    assert [x.shape[2] for x in network(torch.empty(1, 3, 64, 64, device="meta"))] == [16, 8, 4, 2]
    assert all(type(block.conv2) is yolo_attn.LAYERS[name] for stage in network.stages for block in stage)


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
    assert [x.shape[1] for x in maps] == list(kind.out_channels(3, *arguments).stages)


@pytest.mark.parametrize("kind", [ResNet, MobileNetV2])
def test_an_image_may_have_other_than_three_channels(kind):
    kind(1).eval()(torch.rand(1, 1, 32, 32))


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (ResNet, (20,), "ResNet: there is no depth 20; write 18, 34, 50, 101"),
        (ResNet, (18, "EMA", "middle"), "ResNet: there is no place 'middle'; write end, first, last, conv, stages"),
        (ResNet, (18, "EMA", "end", "tiny"), "ResNet: there is no stem 'tiny'; write imagenet, cifar, strided"),
        (ResNet, (18, "EMCA", "end"), "ResNet: EMCA reads several maps, which only the place first gives; found end"),
        (ResNet, (18, "EMA", "conv"), "ResNet: EMA takes no stride and cannot stand in place of a convolution"),
        (ResNet, (18, "EMMA"), "there is no layer 'EMMA'; known are "),
        (ResNet, (18, "EMA:8"), "'EMA:8' names no layer; write it like EMA or EMA(8)"),
        (ResNet, (18, "EMA(7)"), "EMA: 64 channels cannot be split into 7 groups"),
        (MobileNetV2, ("EMCA",), "MobileNetV2: EMCA reads several maps; only ResNet gives them"),
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
    return tasks.parse_model(copy.deepcopy(rows(*more)), ch=3, verbose=False)[0]


def test_rows_take_the_width_of_the_stage_they_pick():
    model = build([0, 1, "Feature", [3]], [-1, 1, "SE", []], [[-1, 1], 1, "Concat", [1]], [-1, 1, "Conv", [32, 1]])
    assert count(model[2]) == 128 * 128 // 8
    assert model[4].conv.in_channels == 256
    assert [row.f for row in model] == [-1, 0, -1, [-1, 1], -1]


def test_a_classifier_takes_its_width_from_its_source_and_its_classes_from_nc():
    linear = build([-1, 1, "Feature", [5]], [-1, 1, "Classifier", ["nc"]])[-1].linear
    assert (linear.in_features, linear.out_features) == (512, 3)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            [-1, 1, "Feature", [6]],
            "my.yaml, row 1 `- [-1, 1, Feature, [6]]`: Feature: there is no stage 6; write 2 to 5",
        ),
        ([-1, 2, "Feature", [5]], "Feature changes the width and cannot be repeated; found n = 2, write 1"),
        ([-1, 1, "Feature", []], "0 arguments do not fit Feature(stage: int)"),
    ],
)
def test_a_wrong_row_is_refused(row, message):
    with pytest.raises(ValueError) as error:
        build(row)
    assert message in str(error.value)


def test_a_feature_row_of_one_map_is_refused():
    with pytest.raises(ValueError, match=r"row 2 .*: Feature reads a network such as ResNet; its source gives one map"):
        build([-1, 1, "Feature", [5]], [-1, 1, "Feature", [5]])


def test_a_parser_that_never_notes_its_sources_is_reported(monkeypatch):
    from yolo_attn.plugin.parser import with_our_rows

    def parse_model(d, ch, verbose=True):
        ch = [ch]
        for i, (f, _n, name, args) in enumerate(d["backbone"]):
            args[0] = ch
            ch[f]
            module = getattr(tasks, name)(*args)
            module.i, module.f = i, f
        return [module], []

    with pytest.raises(ValueError, match="cannot give layers their width in Ultralytics"):
        with_our_rows(parse_model)({"backbone": [[-1, 1, "ResNet", [18]]], "head": []}, 3)


def test_a_network_is_copied_and_pickled():
    network = ResNet(3, 18, "EMCA(srm)", "first").eval()
    x = torch.rand(1, 3, 32, 32)
    for copied in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(copied(x)[-1], network(x)[-1])
