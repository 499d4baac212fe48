"""Parameters and operations against hand calculations and published counts."""

import pytest
import torch
from torch import nn
from ultralytics.nn.tasks import DetectionModel, yaml_model_load
from ultralytics.utils.torch_utils import get_flops

from yolo_attn.experiment.complexity import complexity, milliseconds


class Attention(nn.Module):
    """Pixels attend to pixels: two matrix products that are no modules."""

    def __init__(self):
        super().__init__()
        self.values = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, x):
        tokens = self.values(x).flatten(2)
        weights = torch.einsum("bcn,bcm->bnm", tokens, tokens).softmax(-1)
        return tokens @ weights


# An 8 x 8 image has 64 pixels; 2 operations for each multiply-add.
@pytest.mark.parametrize(
    ("network", "parameters", "operations"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 8 * 3 * 9 + 8, 2 * 64 * 8 * 3 * 9),
        (nn.Conv2d(3, 6, 3, padding=1, groups=3, bias=False), 6 * 9, 2 * 64 * 6 * 9),
        (nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), 8 * 3 * 9, 2 * 16 * 8 * 3 * 9),
        (nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.SiLU()), 12 + 8, 2 * 64 * 4 * 3),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), 192 * 5 + 5, 2 * 192 * 5),
        (Attention(), 12, 2 * 64 * 12 + 2 * (64 * 64 * 4) * 2),
    ],
    ids=["conv", "grouped", "strided", "norm and activation", "linear", "functional attention"],
)
def test_counts_are_those_of_a_hand_calculation(network, parameters, operations):
    size = complexity(network, 8)
    assert size.parameters == parameters
    assert size.gflops == pytest.approx(operations / 1e9)


def test_a_whole_network_agrees_with_the_count_of_ultralytics_by_modules():
    model = DetectionModel(yaml_model_load("yolov5n.yaml"), verbose=False)
    size = complexity(model, 320)
    assert size.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert size.gflops == pytest.approx(get_flops(model, 320), rel=0.03)  # it counts normalisations as well


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_kept_and_statistics_are_not_touched(training):
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train(training)
    complexity(network, 8)
    assert network.training is training
    assert network[1].num_batches_tracked == 0


def test_an_error_of_the_network_is_not_taken_for_no_operations():
    with pytest.raises(RuntimeError):
        complexity(nn.Conv2d(5, 4, 1), 8)


def test_more_work_takes_more_milliseconds():
    assert 0 < milliseconds(nn.Conv2d(3, 2, 1), 8) < milliseconds(nn.Conv2d(3, 64, 7, padding=3), 256)
