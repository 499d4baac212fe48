"""The attention layers, by the name a model YAML gives them."""

from torch import nn

from yolo_attn.layers.bam import BAM
from yolo_attn.layers.ca import CA
from yolo_attn.layers.cbam import CBAM
from yolo_attn.layers.dmsa import DMSA
from yolo_attn.layers.eca import ECA
from yolo_attn.layers.ema import EMA
from yolo_attn.layers.ema_no_cross import EMANoCross
from yolo_attn.layers.emca import EMCA
from yolo_attn.layers.epsa import EPSA
from yolo_attn.layers.fca import FCA
from yolo_attn.layers.gam import GAM
from yolo_attn.layers.gc import GC
from yolo_attn.layers.nam import NAM
from yolo_attn.layers.pointwise_control import PointwiseControl
from yolo_attn.layers.rezero import ReZero
from yolo_attn.layers.sa import SA
from yolo_attn.layers.se import SE
from yolo_attn.layers.sge import SGE
from yolo_attn.layers.srm import SRM
from yolo_attn.layers.triplet_attention import TripletAttention

LAYERS: dict[str, type[nn.Module]] = {
    "BAM": BAM,
    "CA": CA,
    "CBAM": CBAM,
    "DMSA": DMSA,
    "ECA": ECA,
    "EMA": EMA,
    "EMANoCross": EMANoCross,
    "EMCA": EMCA,
    "EPSA": EPSA,
    "FCA": FCA,
    "GAM": GAM,
    "GC": GC,
    "NAM": NAM,
    "PointwiseControl": PointwiseControl,
    "ReZero": ReZero,
    "SA": SA,
    "SE": SE,
    "SGE": SGE,
    "SRM": SRM,
    "TripletAttention": TripletAttention,
}


def is_multi_source(layer: type[nn.Module]) -> bool:
    """Whether a layer reads a list of feature maps; layers that users register need not say."""
    return getattr(layer, "multi_source", False)
