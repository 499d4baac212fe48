"""What is known of a file that was made, written as JSON beside it."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from yolo_attn.deploy.boxes import BoxComparison
from yolo_attn.deploy.parity import Comparison, Tolerance
from yolo_attn.storage import atomic_write

PACKAGES = ("yolo-attn", "ultralytics", "torch", "onnx", "onnxruntime", "onnxslim", "openvino")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A file for a machine without torch.

    Attributes:
        file: The file, or folder.
        format: As Ultralytics calls it.
        sha256: Of the file, or of the files of the folder in order of their names.
        names: The classes.
        task: detect, classify, ...
        imgsz: Height and width of its images.
        versions: Of Python and of the packages that made and checked the file.
    """

    file: Path
    format: str
    sha256: str
    names: dict[int, str]
    task: str
    imgsz: tuple[int, int]
    versions: dict[str, str]

    @property
    def note(self) -> Path:
        """The JSON file beside it."""
        return self.file.with_name(f"{self.file.name}.json")

    def to_json(self) -> str:
        """All attributes."""
        return json.dumps(asdict(self), default=str, indent=2) + "\n"

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
        """What was compared, in words."""
        parts = []
        if self.comparisons:
            largest = {
                difference.kind: f"{difference.kind} to {difference.largest:.0e}{difference.unit}"
                for comparison in self.comparisons
                for difference in sorted(comparison.differences, key=lambda each: each.largest)
            }
            parts.append(f"agrees with torch at {len(self.comparisons)} input shapes, {', '.join(largest.values())}")
        if self.boxes:
            parts.append(
                f"{sum(picture.count for picture in self.boxes)} boxes on {len(self.boxes)} images, of which"
                f" {sum(picture.unmatched for picture in self.boxes)} have no partner"
            )
        return ", ".join(parts) or "not verified"


def digest(file: Path) -> str:
    """SHA-256 of a file, or of the files of a folder in order of their names."""
    content = hashlib.sha256()
    for part in sorted(path for path in file.rglob("*") if path.is_file()) if file.is_dir() else [file]:
        content.update(part.read_bytes())
    return content.hexdigest()


def versions() -> dict[str, str]:
    """{package: version} of Python and of the packages, as far as they are installed."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return installed
