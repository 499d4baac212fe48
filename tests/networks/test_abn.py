"""The attention branch network: its counts, its equations, and a row of a model YAML."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import resnet18

from tests.tolerance import TOLERANCE
from yolo_attn.networks.abn import ABN
from yolo_attn.networks.torchvision_weights import load_torchvision_weights
from yolo_attn.plugin import parse_model


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("depth", "expected"), [(18, 21_607_266), (50, 43_584_866)])
def test_a_classifier_of_1000_classes_has_the_published_parameters(depth, expected):
    with torch.device("meta"):
        network = ABN(3, depth)
    assert count(network) + 1000 * (network.widths[-1] + 1) == expected


def test_stage_5_reads_stage_4_once_more_as_much_as_the_gate_says():
    network = ABN(3, 18, classes=7).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for norm in (network.branch_norm, network.by_class_norm, network.score_norm):
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
        maps = network(torch.rand(2, 3, 64, 96, generator=generator, dtype=torch.float64))
        x, state = maps[2], network.state_dict()

        def normalised(tensor, name):
            mean, variance, weight, bias = (
                state[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
            )
            return (tensor - mean) / (variance + 1e-5).sqrt() * weight + bias

        hidden = normalised(network.branch(x), "branch_norm")
        hidden = torch.einsum("kc,bchw->bkhw", state["by_class.weight"][..., 0, 0], hidden)
        hidden = normalised(hidden, "by_class_norm").clamp(min=0)
        gate = 1 / (1 + torch.exp(-normalised(F.conv2d(hidden, state["score.weight"], padding=1), "score_norm")))
        logits = torch.einsum("kc,bc->bk", state["classes_of_branch.weight"][..., 0, 0], hidden.mean((2, 3)))
        torch.testing.assert_close(network.attend(x), (gate, logits), **TOLERANCE[torch.float64])
        torch.testing.assert_close(maps[3], network.layer4((1 + gate) * x), **TOLERANCE[torch.float64])
    assert gate.shape == (2, 1, 4, 6) and gate.std() > 1e-3


def test_torchvisions_weights_fill_the_resnet_in_it():
    network = ABN(3, 18, classes=3)
    own = sum(count(part) for part in (network.branch, network.branch_norm, network.by_class, network.by_class_norm))
    own += sum(count(part) for part in (network.score, network.score_norm, network.classes_of_branch))
    assert load_torchvision_weights(network, resnet18().state_dict()) == pytest.approx(1 - own / count(network))


def test_a_row_takes_the_classes_of_the_model_and_every_other_parameter_learns():
    rows = {"backbone": [[-1, 1, "ABN", [18, "nc"]]], "head": [[-1, 1, "Feature", [5]], [-1, 1, "Classifier", ["nc"]]]}
    model = parse_model({"nc": 3, **copy.deepcopy(rows)}, 3, verbose=False)[0].train()
    F.cross_entropy(model(torch.rand(2, 3, 64, 64)), torch.tensor([0, 2])).backward()
    without = {name for name, parameter in model[0].named_parameters() if parameter.grad is None}
    assert without == {"classes_of_branch.weight"}
    assert model[0].by_class.out_channels == 3


def test_a_network_without_classes_is_refused():
    with pytest.raises(ValueError, match="ABN: classes must be 1 or more, found 0; write nc"):
        ABN(3, 18, 0)
