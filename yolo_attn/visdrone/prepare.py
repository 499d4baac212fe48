"""YOLO labels beside the images of the official VisDrone-DET folders, with an account of every row left out.

Nothing is moved, copied or deleted: labels/, ignored/ with the ignored regions, the digests of both, and images.txt, the
list of the annotated images, join images/ and annotations/. The list is written last, so a split that has one is prepared.
data/VisDrone.yaml names the lists for this reason: Ultralytics runs its `download` only where the paths it names are missing.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from yolo_attn.parallel import Progress, no_progress, parallel_map
from yolo_attn.storage import atomic_write, folder_lock
from yolo_attn.visdrone.annotations import NAMES, line_number
from yolo_attn.visdrone.archive import BATCH, extract
from yolo_attn.visdrone.label_files import LabelOutcome, LabelWriter
from yolo_attn.visdrone.labels import Reason
from yolo_attn.visdrone.prepare_report import Occurrences, Report, SplitReport
from yolo_attn.visdrone.prepared_files import PreparedFiles
from yolo_attn.visdrone.sizes import IMAGE_SUFFIXES
from yolo_attn.visdrone.splits import FOLDERS, require
from yolo_attn.yolo_format.rows import IGNORED, LABELS

LIST = "images.txt"
MAX_REFUSED = 20  # files that an error names


def prepare(
    root: str | Path,
    splits: Sequence[str] = tuple(FOLDERS),
    progress: Progress = no_progress,
    overwrite: bool = False,
    timeout: float = 600,
) -> Report:
    """Add labels/, ignored/ and images.txt to root/VisDrone2019-DET-SPLIT, and report what was found.

    May be stopped at any moment and run again: a file is written in one step, and only if it does not hold already
    what it should. Zips that lie in `root` are extracted first and kept. Two preparations of one root take turns.

    Args:
        root: Folder of the official folders or zips.
        splits: Some of train, val and test-dev.
        progress: Wraps a list of tasks, given a title, as tqdm does.
        overwrite: Replace files of labels and ignored regions that differ from the annotations even if someone else wrote them.
        timeout: Seconds to wait for another preparation of `root`.

    Raises:
        FileNotFoundError: A split, its images or its annotations are not there.
        FileExistsError: Another preparation still works on `root` after `timeout` seconds.
        ValueError: There is no split of that name; or a zip, an annotation file or an image cannot be read. The bad
            files of a split are named, and its list is not written.
        OSError: A file cannot be written.
    """
    root = Path(root)
    require(root, splits)
    val_last = sorted(set(splits), key=lambda split: (split == "val", splits.index(split)))  # Ultralytics looks for val
    with folder_lock(root, f"{root}: another `yolo-attn visdrone prepare` works there", timeout):
        reports = {split: _prepare_split(root / FOLDERS[split], progress, overwrite) for split in val_last}
    return Report({split: reports[split] for split in FOLDERS if split in reports})


def _prepare_split(folder: Path, progress: Progress, overwrite: bool) -> SplitReport:
    archive = folder.with_name(f"{folder.name}.zip")
    extracted, different = extract(archive, folder, progress) if archive.is_file() else (0, [])
    images = _names_by_stem(folder / "images", IMAGE_SUFFIXES)
    annotations = _names_by_stem(folder / "annotations", frozenset({".txt"}))
    stems = [stem for stem in annotations if stem in images]
    if not stems:
        raise FileNotFoundError(
            f"{folder}: none of its {len(annotations)} annotation files has the name of one of its {len(images)} images"
        )
    labels, ignored = (PreparedFiles.open(folder, kind, overwrite) for kind in (LABELS, IGNORED))
    writer = LabelWriter(folder=folder, labels=labels, ignored=ignored)
    pairs = [(images[stem], annotations[stem]) for stem in stems]
    batches = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)]
    done = parallel_map(writer.write, batches, progress, f"{folder.name}: labels, {BATCH} files at a time")
    outcomes = dict(zip(stems, (outcome for batch in done for outcome in batch), strict=True))
    _require_labels(folder, outcomes)

    written = sum(outcome.labels.written for outcome in outcomes.values())
    regions_written = sum(outcome.ignored.written for outcome in outcomes.values())
    if (written or regions_written or extracted) and hasattr(os, "sync"):
        os.sync()  # the list vouches for every file before it, also after a power cut
    ignored.finish({stem: outcome.ignored for stem, outcome in outcomes.items()})
    labels.finish({stem: outcome.labels for stem, outcome in outcomes.items()})
    image_list = "".join(f"./images/{image}\n" for image, _ in pairs).encode()
    if not (folder / LIST).is_file() or (folder / LIST).read_bytes() != image_list:
        atomic_write(folder / LIST, image_list, durable=True)
    unlabelled = [f"{folder.name}/images/{images[stem]}" for stem in images if stem not in outcomes]
    imageless = [f"{folder.name}/annotations/{annotations[stem]}" for stem in annotations if stem not in outcomes]
    boxes = sum((outcome.boxes for outcome in outcomes.values()), np.zeros(len(NAMES), int))
    return SplitReport(
        images=len(outcomes),
        boxes=dict(zip(NAMES, boxes.tolist(), strict=True)),
        left_out=_left_out(folder, annotations, outcomes),
        without_annotation=Occurrences.of(unlabelled),
        without_image=Occurrences.of(imageless),
        extracted=extracted,
        different=Occurrences.of(different),
        written=written,
        kept=Occurrences.of([f"{folder.name}/{LABELS}/{stem}.txt" for stem in stems if outcomes[stem].labels.kept]),
        regions=sum(outcome.regions for outcome in outcomes.values()),
        regions_written=regions_written,
        regions_kept=Occurrences.of(
            [f"{folder.name}/{IGNORED}/{stem}.txt" for stem in stems if outcomes[stem].ignored.kept]
        ),
    )


def _names_by_stem(folder: Path, suffixes: frozenset[str]) -> dict[str, str]:
    """Return the file names of a folder by their stems, in order."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: not there; an official split has images/ and annotations/")
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in suffixes)
    stems = {name.rpartition(".")[0]: name for name in names}
    if len(stems) < len(names):
        twice = next(name for name in names if name not in stems.values())
        raise ValueError(f"{folder / twice}: another file there has the same stem; one label file cannot serve two")
    return stems


def _require_labels(folder: Path, outcomes: Mapping[str, LabelOutcome]) -> None:
    refused = [outcome.refused for outcome in outcomes.values() if outcome.refused]
    if refused:
        rest = [f"and {len(refused) - MAX_REFUSED:,} more"] if len(refused) > MAX_REFUSED else []
        raise ValueError(
            f"{folder}: {len(refused):,} of {len(outcomes):,} images get no labels; mend the files below, or take image"
            " and annotation away, and prepare again\n  " + "\n  ".join([*refused[:MAX_REFUSED], *rest])
        )


def _left_out(
    folder: Path, annotations: Mapping[str, str], outcomes: Mapping[str, LabelOutcome]
) -> dict[str, Occurrences]:
    """Return the rows left out of a whole split, by reason."""
    reasons = np.concatenate([outcome.reasons for outcome in outcomes.values()])
    starts = np.cumsum([0, *(len(outcome.reasons) for outcome in outcomes.values())])  # of each file's rows
    stems, occurrences = list(outcomes), {}
    for reason in Reason:
        if len(rows := np.flatnonzero(reasons == reason)):
            index = int(np.searchsorted(starts, rows[0], side="right")) - 1
            file = f"annotations/{annotations[stems[index]]}"
            line = line_number(folder / file, int(rows[0] - starts[index]))
            occurrences[reason.text] = Occurrences(len(rows), f"{folder.name}/{file}:{line}")
    return occurrences
