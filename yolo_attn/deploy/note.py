"""Results of an export or a quantisation, written as JSON beside the file."""

import json
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from yolo_attn.deploy.boxes import BoxComparison
from yolo_attn.deploy.outputs import Tolerance
from yolo_attn.deploy.parity import Comparison
from yolo_attn.storage import atomic_write, digest

PACKAGES = [
    "yolo-attn",
    "ultralytics",
    "torch",
    "onnx",
    "onnxruntime",
    "onnxslim",
    "openvino",
    "nncf",
    "ncnn",
    "pnnx",
    "MNN",
    "executorch",
    "litert-torch",
    "ai-edge-litert",
    "onnx2tf",
    "tensorflow",
    "paddlepaddle",
]


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
    """A file for a machine without torch."""

    file: Path  # the file, or folder
    format: str  # as Ultralytics calls it
    names: dict[int, str]  # the classes
    task: str  # detect, classify, ...
    imgsz: tuple[int, int]  # height and width of its images
    versions: dict[str, str] = field(default_factory=installed_versions)  # of what made and checked it

    @property
    def note(self) -> Path:
        """The JSON file beside it."""
        return self.file.with_name(f"{self.file.name}.json")

    def write_note(self) -> None:
        """Write all attributes, and the SHA-256 of the file or of the files of the folder, to `note`.

        Raises:
            OSError: It cannot be written.
        """
        content = {"sha256": digest(self.file), **asdict(self)}
        atomic_write(self.note, json.dumps(content, default=str, indent=2) + "\n")


@dataclass(frozen=True, kw_only=True)
class Exported(Made):
    """An exported file, and how it was compared with torch."""

    dynamic: bool  # whether it takes other heights, widths and numbers of images
    tolerance: Tolerance | None  # by how much raw outputs may differ; None if they were not compared
    comparisons: tuple[Comparison, ...]  # of raw outputs
    boxes: tuple[BoxComparison, ...]  # of boxes after NMS

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
