"""The data set of an experiment, looked at once before the first run."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def check_data_set(data: Path, fetch: bool = True) -> dict[str, Any]:
    """Return a data YAML with the paths of its pictures.

    Args:
        data: The data YAML.
        fetch: Let its `download` entry fetch or draw pictures that are not there.

    Raises:
        FileNotFoundError: The validation pictures are not there.
        ValueError: The data YAML says too little.
    """
    from ultralytics.data.utils import check_det_dataset

    try:
        return check_det_dataset(str(data), autodownload=fetch)
    except (SyntaxError, RuntimeError) as error:  # what Ultralytics raises for a data YAML that says too little
        raise ValueError(f"bench: {data}: {str(error).strip()}") from error


def read_labels(data: Mapping[str, Any], training: Mapping[str, Any]) -> list[Path]:
    """Return the pictures of both parts, after Ultralytics has written its label caches.

    Runs that begin at the same time would otherwise write them into each other.
    """
    from ultralytics.data.dataset import YOLODataset

    single_cls, pictures = bool(training.get("single_cls", False)), []
    for part, fraction in {"train": training.get("fraction", 1.0), "val": 1.0}.items():
        given = {"data": dict(data), "task": "detect", "augment": False, "single_cls": single_cls}
        pictures += YOLODataset(img_path=data[part], fraction=fraction, **given).im_files
    return [Path(picture) for picture in pictures]


def data_digest(data: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """Return the SHA-256 over names and sizes of pictures, and over their labels and official annotations.

    The pictures themselves are not read: that would take longer than an epoch.
    """
    from ultralytics.data.utils import img2label_paths

    root, content = Path(data["path"]).resolve(), hashlib.sha256()
    for picture in sorted(read_labels(data, training)):
        name = picture.relative_to(root) if picture.is_relative_to(root) else Path(picture.name)
        content.update(f"{name.as_posix()} {picture.stat().st_size}\n".encode())
        (label,) = map(Path, img2label_paths([str(picture)]))
        for text in (label, picture.parents[1] / "annotations" / f"{picture.stem}.txt"):
            content.update(text.read_bytes() if text.is_file() else b"none")
    return content.hexdigest()
