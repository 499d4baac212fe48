"""Settings that decide which boxes a detector finds on a picture, and the two sets of them in use."""

from dataclasses import dataclass

import numpy as np

from yolo_attn.visdrone.evaluation.submission import MOST_ROWS

MIN_SIZE = 32  # one cell of the coarsest feature map


@dataclass(frozen=True)
class DetectionSettings:
    """Settings of a detection; the defaults are those of Ultralytics' predict.

    `imgsz` is the pixels of the sides, or (height, width), rounded up to the model's stride; None is the size of the training
    or the export. A box is dropped if its IoU with a better one of its class is above `iou`, which models without NMS ignore.
    """

    imgsz: int | tuple[int, int] | None = None
    conf: float = 0.25  # scores above it count, 0 to 1
    iou: float = 0.7  # 0 to 1
    max_det: int = 300  # most boxes of a picture
    multi_label: bool = False  # a box may have several classes, as Ultralytics' `val` scores it; else the best one
    apply_exif: bool = True  # rotate a picture as its EXIF note says; else take the pixels as they are stored
    classes: tuple[int, ...] | None = None  # look for these only; None is all

    def __post_init__(self) -> None:
        if not (0 <= self.conf <= 1 and 0 <= self.iou <= 1 and self.max_det >= 1):
            raise ValueError(
                f"conf {self.conf}, iou {self.iou}, max_det {self.max_det}: conf and iou lie in 0..1, max_det is at least 1"
            )
        if self.imgsz is not None and np.min(self.imgsz) < MIN_SIZE:
            raise ValueError(f"imgsz {self.imgsz}: height and width are at least {MIN_SIZE} pixels")


DISPLAY = DetectionSettings()
# As `val` scores: Ultralytics' thresholds of validation, VisDrone's 500 rows, pixels as the official toolkit reads them.
PROTOCOL = DetectionSettings(conf=0.001, max_det=MOST_ROWS, multi_label=True, apply_exif=False)
