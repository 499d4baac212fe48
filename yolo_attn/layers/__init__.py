"""The attention layers, by the name a model YAML gives them."""

from torch import nn

from yolo_attn.layers.ca import CA
from yolo_attn.layers.cbam import CBAM
from yolo_attn.layers.eca import ECA
from yolo_attn.layers.ema import EMA
from yolo_attn.layers.sa import SA

LAYERS: dict[str, type[nn.Module]] = {
    "CA": CA,
    "CBAM": CBAM,
    "ECA": ECA,
    "EMA": EMA,
    "SA": SA,
}
