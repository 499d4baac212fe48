"""The official folders of VisDrone-DET, and the official zips they come from.

The project's page, with the links to the zips: https://github.com/VisDrone/VisDrone-Dataset
"""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from yolo_attn.storage import atomic_write

FOLDERS = {split: f"VisDrone2019-DET-{split}" for split in ("train", "val", "test-dev")}
PARTS = ("images", "annotations")


def present(root: str | Path) -> list[str]:
    """The splits of which `root` holds the folder or the zip."""
    root = Path(root)
    return [split for split, name in FOLDERS.items() if (root / name).is_dir() or (root / f"{name}.zip").is_file()]


def require(root: str | Path, splits: Sequence[str]) -> None:
    """Nothing, if `root` holds every one of `splits` as folder or zip.

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


def pending(root: Path, split: str) -> list[str]:
    """The members of a split's zip whose files are not in its folder yet; none without a zip.

    Raises:
        ValueError: The zip is damaged, or holds no images and annotations.
    """
    archive = root / f"{FOLDERS[split]}.zip"
    if not archive.is_file():
        return []
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if _target(root, split, name)]
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive}: {error}; the download is damaged, fetch it again") from error
    if not names:
        raise ValueError(f"{archive}: holds no images/ and annotations/; is it the official zip of that name?")
    return [name for name in names if not _target(root, split, name).exists()]


def extract(root: Path, split: str, names: Sequence[str]) -> None:
    """Writes members of a split's zip into its folder.

    Raises:
        ValueError: A member is damaged.
    """
    archive = root / f"{FOLDERS[split]}.zip"
    with zipfile.ZipFile(archive) as opened:
        for name in names:
            try:
                content = opened.read(name)
            except (zipfile.BadZipFile, zlib.error) as error:
                raise ValueError(f"{archive}, {name}: {error}; the download is damaged, fetch it again") from error
            target = _target(root, split, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(target, content)


def _target(root: Path, split: str, name: str) -> Path | None:
    """Where a member belongs. Zips of this data exist with and without a top folder, and with files of macOS."""
    *folders, file = PurePosixPath(name).parts or ("",)
    part = folders[-1] if folders else ""
    if name.endswith("/") or part not in PARTS or file.startswith(".") or "__MACOSX" in folders:
        return None
    return root / FOLDERS[split] / part / file
