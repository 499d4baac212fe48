"""The report of a preparation, as numbers and as sentences."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Occurrences:
    """Number of files or rows of a kind, and the first: `file` or `file:line` below the root."""

    count: int
    first: str

    @classmethod
    def of(cls, places: Sequence[str]) -> "Occurrences | None":
        """Places in order -> their number and the first; None if there are none."""
        return cls(len(places), places[0]) if places else None


@dataclass(frozen=True)
class SplitReport:
    """The report of one split. Occurrences are None where there are none."""

    images: int  # images with an annotation file; these are in the list
    boxes: dict[str, int]  # number of labels by class name, as the annotations make them
    left_out: dict[str, Occurrences]  # rows that make no label, by reason; a reason without rows is absent
    without_annotation: Occurrences | None  # images without annotation file; these are not in the list
    without_image: Occurrences | None  # annotation files without image
    extracted: int  # files taken from the zip
    different: Occurrences | None  # files that differ from those in the zip, and stay
    written: int  # label files that did not hold yet what the annotations make
    kept: Occurrences | None  # label files that hold something else, which no preparation wrote, and stay
    regions: int  # ignored regions, for training with `ignored: fill`
    regions_written: int  # files of ignored regions that did not hold yet what the annotations make
    regions_kept: Occurrences | None  # such files that hold something else, which no preparation wrote, and stay

    @property
    def notes(self) -> list[str]:
        """A sentence on each kind of thing that a user should know of."""
        kinds = {f"rows left out, {reason}": rows for reason, rows in self.left_out.items()} | {
            "images without annotation": self.without_annotation,
            "annotations without image": self.without_image,
            "files that differ from the zip's and stay": self.different,
            "label files that differ from the annotations, were not written by `prepare`, and stay": self.kept,
            "files of ignored regions that differ from the annotations, were not written by `prepare`, and stay": self.regions_kept,
        }
        return [f"{places.first}: the first of {places.count:,} {kind}" for kind, places in kinds.items() if places]


@dataclass(frozen=True)
class Report:
    """The report of each split, by split."""

    splits: dict[str, SplitReport]

    @property
    def notes(self) -> list[str]:
        """The notes of all splits."""
        return [note for split in self.splits.values() for note in split.notes]
