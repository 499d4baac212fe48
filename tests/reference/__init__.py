"""Independent references in float64: what each layer's equations say, by name in LAYERS. Called as f(x, state_dict)."""

from tests.reference.bam import bam
from tests.reference.ca import ca
from tests.reference.cbam import cbam
from tests.reference.dmsa import dmsa
from tests.reference.eca import eca
from tests.reference.ema import ema
from tests.reference.ema_no_cross import ema_no_cross
from tests.reference.emca import emca
from tests.reference.epsa import epsa
from tests.reference.fca import fca
from tests.reference.gam import gam
from tests.reference.gc import gc
from tests.reference.nam import nam
from tests.reference.pointwise_control import pointwise_control
from tests.reference.rezero import rezero
from tests.reference.sa import sa
from tests.reference.se import se
from tests.reference.sge import sge
from tests.reference.srm import srm
from tests.reference.triplet_attention import triplet_attention

REFERENCES = {
    "BAM": bam,
    "CA": ca,
    "CBAM": cbam,
    "DMSA": dmsa,
    "ECA": eca,
    "EMA": ema,
    "EMANoCross": ema_no_cross,
    "EMCA": emca,
    "EPSA": epsa,
    "FCA": fca,
    "GAM": gam,
    "GC": gc,
    "NAM": nam,
    "PointwiseControl": pointwise_control,
    "ReZero": rezero,
    "SA": sa,
    "SE": se,
    "SGE": sge,
    "SRM": srm,
    "TripletAttention": triplet_attention,
}
