"""What the recount found, in prose. Every number that a network can give is counted here, not written down."""

from scripts.reproduce import papers
from scripts.reproduce import papers_counts as counts

GROUPS = 32  # of EMA
MASK_SURPLUS = 3 * 100 * 28 * 28 * 256 * 256  # 100 masks of 28 x 28, 256 channels in and out
DMSANET_TABLES = {"4": ("FasterRCNN", 44.17), "5": ("MaskRCNN", 47.23), "6": ("RetinaNet", 41.63)}  # printed, in 10^6


def findings() -> str:
    """The findings as Markdown, a section for each paper."""
    return "\n".join(["## What was found\n", _ema(), _gam(), _dmsanet(), _emca()])


def _ema() -> str:
    plain, added = _yolo("yolov5-paper-p2.yaml", "x", 10), _yolo("yolov5-paper-p2-ema.yaml", "x", 10)
    whole = added - plain
    layers = _yolo("yolov5-v6-p2-ema.yaml", "x", 10) - _yolo("yolov5-v6-p2.yaml", "x", 10)
    stale = whole - layers
    small_group = _gflops("yolov5-v6-ema.yaml", "s", 80) - _gflops("yolov5-v6.yaml", "s", 80)
    small = _gflops("yolov5-v6-ema.yaml", "s", 80) + (GROUPS - 1) * small_group
    large_group = _gflops("yolov5-v6-p2-ema.yaml", "x", 10) - _gflops("yolov5-v6-p2.yaml", "x", 10)
    large = _gflops("yolov5-paper-p2-ema.yaml", "x", 10) + (GROUPS - 1) * large_group
    twice = {"yolo": "yolov5-paper-ema.yaml", "scale": "s", "classes": 80}
    resnet = {"network": ["ResNet", [50, "EMA(32)", "end", "cifar"]], "classes": 100}
    return f"""### EMA

- **{100 * stale / whole:.0f} % of what EMA adds on VisDrone is not EMA** (Table 2, YOLOv5x): {whole:,} parameters more than the baseline, of which
  EMA has {layers:,}. The other {stale:,} are in a C3 behind a Concat that names row 14. Before the attention rows came in, row 14 was a
  convolution with 320 channels; in the authors' file it is the EMA at stride 16, with 640. The rows with CBAM and CA contain the same {stale:,}.
- **Its head reads feature maps from before the attention.** On three of four levels the authors' file names the C3, not the EMA behind it (the
  fourth level has none); a second Concat reads past an EMA too. `yolo-attn check scripts/reproduce/yolov5-paper-p2-ema.yaml` reports these
  four. [Our own file](get-started.md), `yolov5x-v6-p2-ema.yaml`, reads the attention everywhere.
- **Two rows are copied.** YOLOv5x and + CBAM on VisDrone equal, in all four numbers, those of another project's README.
- **The FLOPs count one of {GROUPS} groups.** EMA makes groups images of a batch, and the counter saw one image. Counting all of them gives
  {small:.2f} G instead of 16.53 G (YOLOv5s), and {large:.1f} G instead of 315.0 G (YOLOv5x). The tables below count one, as the paper did.
- **The unit of Table 2 is wrong**: FLOPs are printed in M, and are G.
- **Tables 1 and 3 leave out the normalisations of CA and EMA**, a rule that was fitted: ResNet-50 with EMA is printed as 23.85 M and has
  {_full(resnet):,}. For the rows without attention all parameters are counted.
- **Where the layer of YOLOv5s stands is fitted too.** The text does not say. CBAM and CA fit only behind the last C3 of the backbone. The
  authors' file for EMA has a second one at stride 16: {_full(twice):,} parameters and {papers.multiply_adds(twice) * 2e-9:.2f} G, so both readings print alike.
- **GroupNorm is not in the text of the paper**; EMA has it from the authors' code.
- **The detectors are YOLOv5 v6.0**, with anchors: `yolov5s-v6-ema.yaml`, {_yolo("yolov5-v6-ema.yaml", "s", 80):,} parameters. Ultralytics' YOLOv5
  has another head: `yolov5s-ema.yaml` has {_yolo("yolov5-ema.yaml", "s", 80):,}, and `yolov5x-p2-ema.yaml` with 10 classes {_yolo("yolov5-p2-ema.yaml", "x", 10):,}.
"""


def _gam() -> str:
    return """### GAM

- **Reduction, place and the order of convolutions and norms are fitted**: 13 of 128 layouts give all printed counts, ours is one of them.
- **"wmp" in Table 4 is a reading.** The text sounds as if the pooling inside of the spatial attention were left out. Ours
  leaves out the stem's max pooling, whose stride the first block takes, because all four counts of the two rows then fit.
"""


def _dmsanet() -> str:
    backbone = counts.parameters(papers.network(_detector("FasterRCNN")).detector.backbone.network, counts.TRAINED)
    implied = [
        published - (papers.counted(_detector(kind))[counts.TRAINED] - backbone) / 1e6
        for kind, published in DMSANET_TABLES.values()
    ]
    dmsa = {"network": ["ResNet", [50, "DMSA", "conv"]], "classes": 1000}
    four, five, six = implied
    return f"""### DMSANet

- **Tables 2 and 3 exclude each other.** With a module of a · planes² parameters in place of each 3x3, ResNet-50 asks for a = 9.55 and
  ResNet-101 for a = 8.05. Ours is the closest of 25 readings of the text.
- **Tables 4, 5 and 6 ask for three other backbones**: take the detector away, and {four:.2f}, {five:.2f} and {six:.2f} M trained parameters remain.
  Table 2 leaves at most 24.20 M, its 26.25 M without the classifier.
- **Fewer FLOPs with more parameters**: Table 2 prints 3.44 G, less than the 4.12 G of the plain ResNet-50; ours has {papers.multiply_adds(dmsa) / 1e9:.2f} G.
- **Table 8 prints that leaving layers out costs FLOPs**: 3.44 G with Fc, 4.07 G without.
- **EPSA-Large does not follow from its paper's kernels**: 3, 5, 7 and 9 give 30.10 M, printed are 27.90 M, which 3, 5, 5 and 7 give.
- **Non-local and GCNet rows of Table 5** come from a paper that counts the frozen layers; the rows around them do not.
- **FLOPs of Mask R-CNN come from two counters.** Most rows, and EMCA's, count the kernel of a transposed convolution in the mask head for each
  output, four times its work: {MASK_SURPLUS / 1e9:.2f} G too much. The rows of EPSANet do not.
"""


def _emca() -> str:
    plain = {"network": ["ResNet", [50, "", "end"]], "classes": 1000}
    gain = counts.parameters(papers.network(_detector("FasterRCNN", "EMCA(se)")), counts.TRAINED)
    gain -= counts.parameters(papers.network(_detector("FasterRCNN")), counts.TRAINED)
    return f"""### EMCA

- **Its M is 2^20 and its G is 2^30** in Tables 2 to 5: "24.373 M" is the {_full(plain):,} of a plain ResNet-50. The two rows of BAM in Table 5 are
  in 10^6, and the accuracy of BAM on ResNet-18 is that of the ResNet-50 row.
- **SRM's weights are not in its counts**: they are bare parameters of a module with children, which the counter passes over.
- **Section III-B puts the layer into the last block of a stage, IV-H into the first.** The counts support the first.
- **EMCA with SE in Table 6**: it adds {gain / 1e6:.2f} M to every detector; printed are 1.03, 0.95 and 1.14 M.
- **Tables 3, 4, 5 and 8 stand in the authors' README**; the text of the paper that was at hand does not have them.
"""


def _yolo(file: str, scale: str, classes: int) -> int:
    return _full({"yolo": file, "scale": scale, "classes": classes})


def _full(spec: dict) -> int:
    return papers.counted(spec)[counts.ALL]


def _gflops(file: str, scale: str, classes: int) -> float:
    return papers.multiply_adds({"yolo": file, "scale": scale, "classes": classes}) * 2 / 1e9


def _detector(kind: str, layer: str = "") -> dict:
    return {"network": ["ResNet", [50, layer, "first" if layer else "end"]], "detector": kind}
