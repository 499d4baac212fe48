"""The attention layers, by the name that a model YAML gives them.

Adding a layer is one file with one class, and one import below. The constructor takes the channels of the row's source
first, then hyper-parameters with defaults; `forward` keeps the shape. What tests, tools and docs/layers.md must know of a
layer stands on its class:

- The docstring of the file: title, authors and link in the first line, then the mechanism.
- The docstring of the class: the map from input to output with shapes, then `Args:` and `Source:`, and a paragraph
  "Authors' code: ..." where released code differs from its paper. An argument outside the range that `Args:` gives raises
  ValueError.
- `parameter_formula` (str): number of parameters, a Python expression in C and the constructor's arguments; letters of its
  own are defined behind semicolons: "2 * C * m; m = C // reduction".
- `multi_source` (bool): True if the layer reads a list of feature maps, and the constructor a list of channels. Left out otherwise.
- `gate(x)` (method): what the layer multiplies x by, in the shape of x or one that broadcasts to it: x * gate(x) is forward(x). With
  several sources it reads them as `forward` does and is the gate of the first. A layer that reorders channels afterwards
  has a method `shuffled`: forward(x) is shuffled(x * gate(x)).
- `no_gate` (str): why there is no `gate`, such as "adds to channels".
- `wrong_in` (dict[str, str]): {format of `yolo export`: what goes wrong}, of formats whose converter or runtime cannot have the layer
  right. The export is refused. Left out where every format that was tried is right.
- `export_format` (str, ""): stands on a layer with a form for one format alone, and names it in the copy that is exported.

Only `multi_source`, `gate`, `wrong_in` and `export_format` matter to layers that users register; the others describe what this package
documents. Files whose name
starts with an underscore are private: shared checks, the BatchNorm of pooled vectors, the fast forms of EMA.
"""

from torch import nn

from yolo_attn.layers.aa_conv import AAConv as AAConv
from yolo_attn.layers.bam import BAM as BAM
from yolo_attn.layers.ca import CA as CA
from yolo_attn.layers.caa import CAA as CAA
from yolo_attn.layers.cbam import CBAM as CBAM
from yolo_attn.layers.dmsa import DMSA as DMSA
from yolo_attn.layers.double_attention import DoubleAttention as DoubleAttention
from yolo_attn.layers.eca import ECA as ECA
from yolo_attn.layers.ela import ELA as ELA
from yolo_attn.layers.ema import EMA as EMA
from yolo_attn.layers.ema_no_cross import EMANoCross as EMANoCross
from yolo_attn.layers.emca import EMCA as EMCA
from yolo_attn.layers.epsa import EPSA as EPSA
from yolo_attn.layers.fca import FCA as FCA
from yolo_attn.layers.gam import GAM as GAM
from yolo_attn.layers.gc import GC as GC
from yolo_attn.layers.lska import LSKA as LSKA
from yolo_attn.layers.mca import MCA as MCA
from yolo_attn.layers.mlca import MLCA as MLCA
from yolo_attn.layers.nam import NAM as NAM
from yolo_attn.layers.non_local import NonLocal as NonLocal
from yolo_attn.layers.pointwise_control import PointwiseControl as PointwiseControl
from yolo_attn.layers.rezero import ReZero as ReZero
from yolo_attn.layers.sa import SA as SA
from yolo_attn.layers.se import SE as SE
from yolo_attn.layers.sge import SGE as SGE
from yolo_attn.layers.simam import SimAM as SimAM
from yolo_attn.layers.srm import SRM as SRM
from yolo_attn.layers.triplet_attention import TripletAttention as TripletAttention

# Every class imported above, by its name. `register` adds the layers of users.
LAYERS: dict[str, type[nn.Module]] = {
    name: value for name, value in dict(globals()).items() if isinstance(value, type) and issubclass(value, nn.Module)
}


def is_multi_source(layer: type[nn.Module]) -> bool:
    """Return whether a layer reads a list of feature maps; layers that users register need not say."""
    return getattr(layer, "multi_source", False)
