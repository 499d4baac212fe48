"""A tiled copy of a data set in YOLO format, with its own data YAML."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from yolo_attn.parallel import Progress, no_progress
from yolo_attn.storage import atomic_write
from yolo_attn.yolo_format.images import images_of
from yolo_attn.yolo_format.tile_files import Tiling
from yolo_attn.yolo_format.tile_report import TileReport
from yolo_attn.yolo_format.tile_split import LIST, tile_split

SPLITS = ("train", "val", "test")


def tile_set(
    data: Mapping[str, Any],
    out: Path,
    tiling: Tiling,
    splits: Sequence[str] = ("train", "val"),
    progress: Progress = no_progress,
) -> tuple[Path, dict[str, TileReport]]:
    """Tile the splits of a data set into out/SPLIT, and write out/NAME.yaml, which names them and the other splits as they are.

    The YAML says `ignored: fill`, since what is left of cut boxes is no background.

    Args:
        data: A data YAML with absolute paths, as Ultralytics' `check_det_dataset` returns it.
        out: Folder to make, or one that an earlier run made.
        tiling, progress: As for `tile_split`.
        splits: Some of train, val and test.

    Returns:
        The data YAML, and the report of each split.

    Raises:
        ValueError: There is no split of that name, or it cannot be tiled; see `tile_split`.
        FileNotFoundError: A picture is not there.
        FileExistsError: `out` holds other tiles.
        OSError: A file cannot be read or written.
    """
    if missing := [split for split in splits if split not in SPLITS or not data.get(split)]:
        there = ", ".join(split for split in SPLITS if data.get(split))
        raise ValueError(f"{data.get('yaml_file', 'data')}: has no split {', '.join(missing)}; it has {there}")
    if data.get("channels", 3) not in (1, 3):
        raise ValueError(
            f"{data.get('yaml_file', 'data')}: pictures of {data['channels']} channels cannot be tiled, only of 1 or 3"
        )
    images = {split: images_of(data[split]) for split in splits}
    reports = {split: tile_split(images[split], out / split, tiling, progress) for split in splits}
    paths = {split: data[split] for split in SPLITS if data.get(split)} | {split: f"{split}/{LIST}" for split in splits}
    path = out / f"{Path(data.get('yaml_file') or 'data').stem}-{tiling.name}.yaml"
    write_yaml(path, out, paths, data["names"], {"channels": data["channels"]} if "channels" in data else {})
    return path, reports


def write_yaml(path: Path, root: Path, splits: Mapping[str, Any], names: Any, more: Mapping[str, Any]) -> None:
    """Write the data YAML of tiles; the paths of splits are absolute or relative to the root."""
    content = {"path": str(root.absolute()), **splits, "names": names, **more, "ignored": "fill"}
    head = "# Tiles. Ignored regions and parts of boxes that make no label are gray in training, without yolo_attn background.\n"
    atomic_write(path, head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
