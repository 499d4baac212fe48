"""What the stored detections of the runs show, beyond scores: precision over recall, and right and wrong boxes by picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_attn.experiment.measured_runs import FOLDERS
from yolo_attn.experiment.report.folders import Recorded, Run
from yolo_attn.experiment.validation_set import ValidationSet, read_validation_set
from yolo_attn.statistics.outcomes import outcomes, pooled
from yolo_attn.statistics.picture_errors import CONFIDENCE
from yolo_attn.visdrone.evaluation.curves import precision_over_recall
from yolo_attn.visdrone.evaluation.errors import Picture, by_picture, right_and_wrong


@dataclass(frozen=True, eq=False)
class Details:
    """What the detections of one run show; a box is right at IoU 0.5, and scores count from CONFIDENCE on."""

    precision: Mapping[str, np.ndarray]  # {class: (101,) precision at IoU 0.5 over recall, 0 to 1}
    pictures: Mapping[str, Picture]  # {name without suffix: right and wrong boxes}


@dataclass(frozen=True, eq=False)
class Stored:
    """What the stored detections of all runs show.

    Attributes:
        runs: The runs whose detections could be read.
        images: {name without suffix: file} of the validation pictures.
        missing: Sentences about what is not there.
    """

    runs: Mapping[Run, Details]
    images: Mapping[str, Path]
    missing: tuple[str, ...] = ()


def read(data: Path, recorded: Sequence[Recorded], checkpoint: str) -> Stored:
    """Evaluate the stored detections of each run. What cannot be read is named in `missing`, and the rest is kept.

    Args:
        data: The data YAML.
        recorded: Finished runs.
        checkpoint: A key of FOLDERS, the epoch whose detections are read.
    """
    try:
        validation = read_validation_set(data)
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:  # the last two are Ultralytics', of a data YAML
        reason = " ".join(str(error).split())
        return Stored({}, {}, (f"The validation pictures are not there: {reason}",))
    runs, missing = {}, []
    for entry in recorded:
        try:
            runs[entry.run.model, entry.run.seed] = _details(validation, entry.folder / FOLDERS[checkpoint])
        except (OSError, ValueError) as error:
            missing.append(f"{entry.run.model}, seed {entry.run.seed}: {error}.")
    return Stored(runs, validation.images, tuple(missing))


def _details(validation: ValidationSet, folder: Path) -> Details:
    frames = validation.frames(folder)
    rows = pooled(frames, validation.official)
    found = outcomes(rows, len(frames), len(validation.classes), validation.official)
    precision = {}
    for index, name in enumerate(validation.classes):
        if total := int(found.boxes[index].sum()):
            own = found.category == index
            precision[name] = precision_over_recall(found.hit[own][:, 0], found.wrong[own][:, 0], total)
    categories = np.arange(1, len(validation.classes) + 1)
    pictures = by_picture(rows, frames, *right_and_wrong(rows, categories, CONFIDENCE))
    return Details(precision, {picture.stem: picture for picture in pictures})
