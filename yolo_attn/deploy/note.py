"""Results of an export or a quantisation, written as JSON beside the file."""

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from yolo_attn.deploy.boxes import BoxComparison
from yolo_attn.deploy.parity import Comparison, Tolerance
from yolo_attn.storage import atomic_write, digest

PACKAGES = ("yolo-attn", "ultralytics", "torch", "onnx", "onnxruntime", "onnxslim", "openvino")


def installed_versions() -> dict[str, str]:
    """{package: version} of Python and of PACKAGES, as far as they are installed."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed


@dataclass(frozen=True, kw_only=True)
class Made:
    """A file for a machine without torch.

    Attributes:
        file: The file, or folder.
        format: As Ultralytics calls it.
        names: The classes.
        task: detect, classify, ...
        imgsz: Height and width of its images.
        versions: Of Python and of the packages that made and checked the file.
    """

    file: Path
    format: str
    names: dict[int, str]
    task: str
    imgsz: tuple[int, int]
    versions: dict[str, str] = field(default_factory=installed_versions)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, or of the files of the folder in order of their names."""
        return digest(self.file)

    @property
    def note(self) -> Path:
        """The JSON file beside it."""
        return self.file.with_name(f"{self.file.name}.json")

    def to_json(self) -> str:
        """All attributes, and the SHA-256."""
        return json.dumps({"sha256": self.sha256, **asdict(self)}, default=str, indent=2) + "\n"

    def write_note(self) -> None:
        """Write the JSON file.

        Raises:
            OSError: It cannot be written.
        """
        atomic_write(self.note, self.to_json())


@dataclass(frozen=True, kw_only=True)
class Exported(Made):
    """An exported file, and how it was compared with torch.

    Attributes:
        dynamic: Whether it takes other heights, widths and numbers of images.
        tolerance: By how much raw outputs may differ; None if they were not compared.
        comparisons: Of raw outputs.
        boxes: Of boxes after NMS.
    """

    dynamic: bool
    tolerance: Tolerance | None
    comparisons: tuple[Comparison, ...]
    boxes: tuple[BoxComparison, ...]

    @property
    def summary(self) -> str:
        """Describe in one line what was compared."""
        parts = []
        if self.comparisons:
            largest = {
                difference.kind: f"{difference.kind} to {difference.largest:.0e}{difference.unit}"
                for comparison in self.comparisons
                for difference in sorted(comparison.differences, key=lambda difference: difference.largest)
            }
            shapes = f"{len(self.comparisons)} input shape{'s' * (len(self.comparisons) > 1)}"
            parts.append(f"agrees with torch at {shapes}, {', '.join(largest.values())}")
        if self.boxes:
            count, unmatched = (sum(picture.count for picture in self.boxes), sum(p.unmatched for p in self.boxes))
            outcome = "nothing to compare" if not count else f"{unmatched} without a partner"
            parts.append(f"{count} boxes on {len(self.boxes)} images, {outcome}")
        return ", ".join(parts) or "not verified"
