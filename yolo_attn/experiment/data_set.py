"""The data set of an experiment, looked at once before the first run."""

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


def write_label_caches(data: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    """Let Ultralytics write its label caches, which runs that begin at the same time would write into each other."""
    from ultralytics.data.dataset import YOLODataset

    single_cls = bool(training.get("single_cls", False))
    for part, fraction in {"train": training.get("fraction", 1.0), "val": 1.0}.items():
        given = {"data": dict(data), "task": "detect", "augment": False, "single_cls": single_cls}
        YOLODataset(img_path=data[part], fraction=fraction, **given)
