"""A ResNet of this package as the backbone of torchvision's detectors: Faster R-CNN, Mask R-CNN and RetinaNet.

FPN: Lin et al., CVPR 2017, https://arxiv.org/abs/1612.03144. EMCA (Table 6) and DMSANet (Tables 4 and 5) print detectors of this
kind. Building one is in this file; training it is torchvision's business.

    FasterRCNN(FPN(ResNet(3, 50, "SE")), num_classes=81)
    MaskRCNN(FPN(ResNet(3, 50, "EMCA(eca)", "first")), num_classes=81)
    RetinaNet(FPN(ResNet(3, 50, "SA"), retinanet=True), num_classes=80)

The first two count the background as a class.
"""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

from yolo_attn.networks.resnet import ResNet


class FPN(nn.Module):
    """image (B, 3, H, W) -> five feature maps of 256 channels, by their level: strides 4 to 64, for RetinaNet 8 to 128.

    Args:
        network: Gives the feature maps of stages 2 to 5.
        retinanet: Give levels 3 to 7, the last two by strided convolutions from stage 5, instead of 2 to 6.
        pretrained: Whether the network has trained weights. If so, its stem and stage 2 are not trained, and the means and
            variances of its BatchNorms stay as they are: a batch of two images has none of use. This is what the
            published counts of trainable parameters assume. If not, everything is trained.
    """

    out_channels = 256  # torchvision's detectors read it

    def __init__(self, network: ResNet, retinanet: bool = False, pretrained: bool = True):
        super().__init__()
        self.network, self.pretrained = network, pretrained
        self.skipped = 1 if retinanet else 0
        widths = [*network.widths[self.skipped :]]
        top = LastLevelP6P7(widths[-1], self.out_channels) if retinanet else LastLevelMaxPool()
        self.pyramid = FeaturePyramidNetwork(widths, self.out_channels, top)
        for part in (network.conv1, network.bn1, network.layer1) if pretrained else ():
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> "FPN":
        super().train(mode)
        if self.pretrained:
            for module in self.network.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        feature_maps = self.network(x)[self.skipped :]
        return self.pyramid({str(level): feature_map for level, feature_map in enumerate(feature_maps)})
