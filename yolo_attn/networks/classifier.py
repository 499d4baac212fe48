"""Head of the papers' classifiers."""

from torch import nn
from ultralytics.nn.modules import Classify


class Classifier(Classify):
    """x (B, C, H, W) -> classes (B, classes): global mean, one linear layer. In training logits, otherwise as Ultralytics' Classify.

    Ultralytics' own head has a convolution to 1280 channels in front, which would hide what the papers count.

    Args:
        channels: C.
        classes: Number of classes.
    """

    def __init__(self, channels: int, classes: int):
        nn.Module.__init__(self)
        # The inherited forward calls these four in turn.
        self.conv = nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.0)  # `dropout=` of the training command sets it
        self.linear = nn.Linear(channels, classes)
