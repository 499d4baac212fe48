"""The official folders and zips of VisDrone-DET.

The project's page, with the links to the zips: https://github.com/VisDrone/VisDrone-Dataset
"""

from collections.abc import Sequence
from pathlib import Path

FOLDERS = {split: f"VisDrone2019-DET-{split}" for split in ("train", "val", "test-dev")}


def present(root: str | Path) -> list[str]:
    """Return the splits of which `root` holds the folder or the zip."""
    root = Path(root)
    return [split for split, name in FOLDERS.items() if (root / name).is_dir() or (root / f"{name}.zip").is_file()]


def require(root: str | Path, splits: Sequence[str]) -> None:
    """Refuse `splits` unless `root` holds every one of them as folder or zip.

    Raises:
        ValueError: There is no split of that name, or none is given.
        FileNotFoundError: One is missing; the message says which zip to get, where, and where to put it.
    """
    unknown = [split for split in splits if split not in FOLDERS]
    if unknown or not splits:
        raise ValueError(f"VisDrone: splits {', '.join(unknown) or 'none'} given; they are {', '.join(FOLDERS)}")
    missing = [FOLDERS[split] for split in splits if split not in present(root)]
    if missing:
        raise FileNotFoundError(
            f"VisDrone: {Path(root).absolute()} holds neither folder nor zip of {', '.join(missing)}; download"
            f" {', '.join(f'{name}.zip' for name in missing)} (object detection in images) from"
            " https://github.com/VisDrone/VisDrone-Dataset and put them there, as zips or extracted"
        )
