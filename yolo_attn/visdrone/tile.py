"""Tiled copies of prepared splits beside the originals, and the data YAML that trains on them."""

from collections.abc import Sequence
from pathlib import Path

from yolo_attn.parallel import Progress, no_progress
from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.prepare import LIST
from yolo_attn.visdrone.splits import FOLDERS
from yolo_attn.yolo_format.images import images_of
from yolo_attn.yolo_format.tile_files import Tiling
from yolo_attn.yolo_format.tile_report import TileReport
from yolo_attn.yolo_format.tile_set import write_yaml
from yolo_attn.yolo_format.tile_split import tile_split

KEYS = {"train": "train", "val": "val", "test-dev": "test"}  # of a data YAML


def tile_splits(
    root: str | Path, splits: Sequence[str], tiling: Tiling, progress: Progress = no_progress
) -> tuple[Path, dict[str, TileReport]]:
    """Tile prepared splits into root/VisDrone2019-DET-SPLIT-tiles-640, and write root/VisDrone-tiles-640.yaml.

    Splits that are not tiled, now or earlier, stand in the YAML as they are.

    Args:
        root: Folder of the official folders.
        splits: Some of train, val and test-dev, all prepared.
        tiling, progress: As for `tile_split`, which also says what is raised.

    Returns:
        The data YAML, and the report of each split.
    """
    root = Path(root)
    lists = {split: root / name / LIST for split, name in FOLDERS.items()}
    tiled = {split: root / f"{name}-{tiling.name}" for split, name in FOLDERS.items()}
    reports = {split: tile_split(images_of(lists[split]), tiled[split], tiling, progress) for split in splits}
    ready = {split: tiled[split] / LIST if (tiled[split] / LIST).is_file() else lists[split] for split in FOLDERS}
    # Ultralytics wants train and val; where one is not prepared yet, it will name the list that is missing.
    named = {split: path for split, path in ready.items() if path.is_file() or split != "test-dev"}
    paths = {KEYS[split]: path.relative_to(root).as_posix() for split, path in named.items()}
    path = root / f"VisDrone-{tiling.name}.yaml"
    write_yaml(path, root, paths, dict(enumerate(NAMES)), {})
    return path, reports
