"""An Ultralytics detection model, set up to give the detections that its `val` would score: several classes per box.

Ultralytics' own `predict` keeps the best class of a box only. It is imported, and torch with it, when a model is loaded.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from yolo_attn.visdrone.annotations import NAMES, categories_of
from yolo_attn.visdrone.evaluation.submission import MOST_ROWS


@dataclass(frozen=True)
class Settings:
    """What the numbers in the files depend on besides model and images; the defaults are those of `val`, at 500 rows.

    Attributes:
        imgsz: Pixels to which the longer side of an image is scaled; an exported file of fixed size has its own.
        conf: Lowest score.
        iou: A box is dropped if its IoU with a better one of its class is above this; no part of a model without NMS.
        max_det: Most rows of a file, 1 to 500.
    """

    imgsz: int = 640
    conf: float = 0.001
    iou: float = 0.7
    max_det: int = MOST_ROWS

    def __post_init__(self):
        if not (self.imgsz >= 32 and 0 <= self.conf <= 1 and 0 <= self.iou <= 1 and 1 <= self.max_det <= MOST_ROWS):
            raise ValueError(
                f"{self}: imgsz is at least 32, conf and iou lie in 0..1, max_det in 1..{MOST_ROWS}: VisDrone's protocol"
                f" looks at no more than {MOST_ROWS} rows"
            )


def load(model: Path, settings: Settings, batch: int, device: str | None = None):
    """A model file -> (predictor, {class of the model: VisDrone category}, images it takes at once).

    The predictor takes a list of images (H, W, 3), BGR, and gives Ultralytics' Results for each. Its boxes are of VisDrone's
    classes only.

    Args:
        model: A checkpoint or an exported file.
        settings: See there.
        batch: Images at once, unless the file is exported for a fixed number.
        device: As Ultralytics calls it; None is the first GPU, or the CPU where there is none.

    Raises:
        ValueError: It is no detector, or lacks classes of VisDrone.
    """
    from ultralytics import YOLO
    from ultralytics.engine.results import Results
    from ultralytics.models.yolo.detect import DetectionPredictor
    from ultralytics.utils import ops

    try:
        from ultralytics.utils.nms import non_max_suppression
    except ImportError:  # up to Ultralytics 8.3
        from ultralytics.utils.ops import non_max_suppression

    class Detector(DetectionPredictor):
        def postprocess(self, preds, img, orig_imgs, **_):
            # As `val` calls it, but without its time limit, which leaves the last images of a slow batch empty. Models
            # without NMS are told by the shape of their output.
            args = self.args
            found = non_max_suppression(
                preds, args.conf, args.iou, args.classes, multi_label=True, max_det=args.max_det, max_time_img=math.inf
            )
            for boxes, picture in zip(found, orig_imgs, strict=True):
                boxes[:, :4] = ops.scale_boxes(img.shape[2:], boxes[:, :4], picture.shape)
            names = self.model.names
            return [Results(one, "", names, boxes[:, :6]) for boxes, one in zip(found, orig_imgs, strict=True)]

    network = YOLO(str(model), task="detect")
    fixed = {"mode": "predict", "task": "detect", "rect": True, "save": False, "verbose": False, "device": device}
    detector = Detector(overrides={**asdict(settings), **fixed, "batch": batch})
    detector.setup_model(network.model, verbose=False)
    exported = isinstance(network.model, str)
    task = getattr(detector.model, "task", None) if exported else network.task
    if task not in (None, "detect"):
        raise ValueError(f"{model}: is a model for {task}; VisDrone detections need one for detect")
    if exported and not getattr(detector.model, "dynamic", False):
        detector.args.imgsz, batch = detector.model.imgsz, detector.model.batch
    categories = _categories(detector.model.names, model)
    detector.args.classes = [*categories] if len(categories) < len(detector.model.names) else None
    return detector, categories, batch


def _categories(names: Mapping[int, str], model: Path) -> dict[int, int]:
    """{class of the model: VisDrone category}."""
    categories = categories_of(names)
    missing = [name for category, name in enumerate(NAMES, 1) if category not in categories.values()]
    if missing:
        raise ValueError(
            f"{model}: knows no class {', '.join(missing)}; its classes are {', '.join(map(str, names.values()))[:200]}."
            " VisDrone detections need a model trained on the names in data/VisDrone.yaml"
        )
    return categories
