"""Independent references in float64: what each layer's equations say, by name in LAYERS. Called as f(x, state_dict)."""

from tests.reference.ca import ca
from tests.reference.cbam import cbam
from tests.reference.eca import eca
from tests.reference.ema import ema
from tests.reference.sa import sa

REFERENCES = {"CA": ca, "CBAM": cbam, "ECA": eca, "EMA": ema, "SA": sa}
