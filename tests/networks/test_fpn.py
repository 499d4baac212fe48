"""Our ResNet under torchvision's detectors: the counts that EMCA and DMSANet print, and a training."""

import re
from pathlib import Path

import pytest
import torch
from torchvision.models.detection import FasterRCNN, MaskRCNN, RetinaNet

from yolo_attn.networks.fpn import FPN
from yolo_attn.networks.resnet import ResNet

BACKBONES = {
    "ResNet-50": (),
    "SE": ("SE",),
    "ECA": ("ECA",),
    "SA": ("SA",),
    "FcaNet": ("FCA",),
    "EPSA-S": ("EPSA", "conv"),
    "EPSA-L": ("EPSA(16, '3 5 5 7', '32 32 32 32')", "conv", "imagenet", "stage", 2, 2),
    "EMCA-SE": ("EMCA(se)", "first"),
    "EMCA-ECA": ("EMCA(eca)", "first"),
    "GC": ("GC", "end", "imagenet", "stage", 3),
    "NL": ("NonLocal", "once"),
    "DMSANet": ("DMSA", "conv"),
}
# Trainable parameters. All but three are what the papers print, in millions with two decimals: the papers cut EPSA-S's instead of
# rounding, print 46.66 for Mask R-CNN with FcaNet, and more than the layers have for EMCA-SE.
TRAINABLE = {
    "ResNet-50": (41_531_812, 44_175_349, 37_743_348),
    "SE": (44_022_180, 46_665_717, 40_233_716),
    "ECA": (41_531_883, 44_175_420, 37_743_419),
    "SA": (41_532_484, 44_176_021, 37_744_020),
    "FcaNet": (44_022_180, 46_665_717, 40_233_716),
    "EPSA-S": (38_565_724, 41_209_261, 34_777_260),
    "EPSA-L": (43_856_148, 46_499_685, 40_067_684),
    "EMCA-SE": (42_219_956, 44_863_493, 38_431_492),
    "EMCA-ECA": (41_531_845, 44_175_382, 37_743_381),
}


def detector(kind, backbone):
    with torch.device("meta"):
        fpn = FPN(ResNet(3, 50, *BACKBONES[backbone]), retinanet=kind is RetinaNet)
        return kind(fpn, num_classes=80 if kind is RetinaNet else 81)


def count(network, trainable=True):
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad or not trainable)


@pytest.mark.parametrize("backbone", TRAINABLE)
def test_detectors_have_the_published_trainable_parameters(backbone):
    counts = tuple(count(detector(kind, backbone)) for kind in (FasterRCNN, MaskRCNN, RetinaNet))
    assert counts == TRAINABLE[backbone]


@pytest.mark.parametrize(
    ("backbone", "all_parameters"),
    [("ResNet-50", 44_400_693), ("GC", 46_922_434), ("NL", 46_500_405)],  # printed as 44.4, 46.90 and 46.50
)
def test_rows_of_the_gcnet_paper_count_frozen_stages_too(backbone, all_parameters):
    assert count(detector(MaskRCNN, backbone), trainable=False) == all_parameters


def test_only_stem_and_stage_2_are_frozen_and_only_under_trained_weights():
    fpn = FPN(ResNet(3, 18, "SE"))
    frozen = {name.split(".")[1] for name, parameter in fpn.named_parameters() if not parameter.requires_grad}
    assert frozen == {"conv1", "bn1", "layer1"}
    assert all(parameter.requires_grad for parameter in FPN(ResNet(3, 18, "SE"), pretrained=False).parameters())


@pytest.mark.parametrize("pretrained", [True, False])
def test_statistics_of_trained_weights_stay_in_training(pretrained):
    fpn = FPN(ResNet(3, 18), pretrained=pretrained).train()
    before = fpn.network.layer4[0].bn1.running_mean.clone()
    fpn(torch.rand(2, 3, 64, 64))
    assert torch.equal(fpn.network.layer4[0].bn1.running_mean, before) == pretrained
    assert fpn.training


@pytest.mark.parametrize(("retinanet", "strides"), [(False, [4, 8, 16, 32, 64]), (True, [8, 16, 32, 64, 128])])
def test_a_pyramid_has_five_levels(retinanet, strides):
    fpn = FPN(ResNet(3, 18), retinanet).eval()
    with torch.no_grad():
        levels = fpn(torch.rand(1, 3, 128, 256))
    assert [tuple(x.shape) for x in levels.values()] == [(1, 256, 128 // s, 256 // s) for s in strides]


def two_pictures():
    """Images with one and two drawn boxes, as torchvision's detectors take them."""
    boxes = [torch.tensor([[16.0, 20, 70, 60]]), torch.tensor([[8.0, 8, 40, 90], [60, 30, 110, 80]])]
    images = [torch.full((3, 96, 128), 0.2) for _ in boxes]
    for image, corners in zip(images, boxes, strict=True):
        for number, (left, top, right, bottom) in enumerate(corners.int().tolist()):
            image[number, top:bottom, left:right] = 0.9
    return images, [{"boxes": corners, "labels": torch.arange(1, len(corners) + 1)} for corners in boxes]


SMALL = "min_size=96, rpn_post_nms_top_n_train=64, box_batch_size_per_image=32"


def test_the_lines_of_the_guide_train_a_detector():
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "networks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?FasterRCNN.*?)```", guide, re.DOTALL)
    torch.manual_seed(0)
    names = {"loader": [two_pictures()] * 5, "losses": []}
    exec(code.replace("50,", "18,").replace("min_size=800", SMALL), names)
    losses = [float(loss) for loss in names["losses"]]
    assert all(torch.tensor(losses).isfinite())
    assert losses[-1] < 0.8 * losses[0]
