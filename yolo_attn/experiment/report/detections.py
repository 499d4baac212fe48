"""What the stored detections of the runs show, beyond the scores of the records."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_attn.experiment.report.folders import Recorded, Run, Study
from yolo_attn.experiment.scores import official_images
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.evaluation.errors import Picture
from yolo_attn.visdrone.evaluation.evaluate import CONFIDENCE, evaluate
from yolo_attn.visdrone.sizes import IMAGE_SUFFIXES, read_sizes


@dataclass(frozen=True, eq=False)
class Details:
    """What the detections of one run show; boxes count as right at IoU 0.5 and scores from CONFIDENCE on."""

    precision: Mapping[str, np.ndarray]  # {class: (101,) precision at IoU 0.5 over recall, 0 to 1}
    by_size: Mapping[str, float]  # {range of object sizes: official AP in percent}, as far as there are objects
    pictures: Mapping[str, Picture]  # {name without suffix: right and wrong boxes}


@dataclass(frozen=True, eq=False)
class Stored:
    """What the stored detections of all runs show.

    Attributes:
        runs: The runs whose detections could be read.
        images: {name without suffix: file} of the validation pictures.
        missing: Sentences about what is not there and what the page therefore lacks.
    """

    runs: Mapping[Run, Details]
    images: Mapping[str, Path]
    missing: tuple[str, ...] = ()


def read(study: Study) -> Stored:
    """Evaluate the stored detections of each run; what cannot be read is named in `missing`, and the rest is kept."""
    lacks = "precision over recall, object sizes and pictures are not shown"
    try:
        images = _official_images(Path(str(study.settings["data"])))
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        return Stored({}, {}, (f"The data set cannot be opened ({reason}), so {lacks}.",))
    if images is None:
        return Stored({}, {}, (f"The data set has no official VisDrone annotations, so {lacks}.",))
    sizes = read_sizes(images)
    files = {path.stem: path for path in sorted(images.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES}
    runs, missing = {}, []
    for entry in study.recorded:
        try:
            runs[entry.run.model, entry.run.seed] = _details(entry, images, sizes)
        except (OSError, ValueError) as error:
            missing.append(f"{entry.run.model}, seed {entry.run.seed}: its detections cannot be evaluated ({error}).")
    return Stored(runs, files, tuple(missing))


def _official_images(data: Path) -> Path | None:
    from ultralytics.data.utils import check_det_dataset

    return official_images(check_det_dataset(str(data), autodownload=False))


def _details(entry: Recorded, images: Path, sizes: Mapping[str, tuple[int, int]]) -> Details:
    result = evaluate(
        images.parent / "annotations", entry.folder / "detections", sizes, details=True, confidence=CONFIDENCE
    )
    assert result.curves is not None and result.by_size is not None and result.errors is not None  # asked for
    return Details(
        precision={name: curve for name, curve in zip(NAMES, result.curves, strict=True) if not np.isnan(curve).any()},
        by_size={score.name: score.AP for score in result.by_size if score.ground_truth},
        pictures={picture.stem: picture for picture in result.errors.pictures},
    )
