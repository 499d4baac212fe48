"""The official zips of VisDrone-DET -> the files of images/ and annotations/."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PureWindowsPath

from yolo_attn.parallel import Progress, parallel_map
from yolo_attn.storage import atomic_write

PARTS = ("images", "annotations")
BATCH = 50  # files that a thread takes at a time
_CHUNK = 1 << 20  # bytes of a member held in memory


def extract(archive: Path, folder: Path, progress: Progress) -> tuple[int, list[str]]:
    """Write those members of a split's zip that are not yet, or only in part, in the split's folder.

    A file of another size than the zip's is written again if it is the beginning of the zip's: a run was cut there.

    Returns:
        Number of files written; files, as folder/name, that were there with another content than the zip's, and stay.

    Raises:
        ValueError: The zip is damaged, encrypted, compressed in a way Python cannot read, or holds other files.
        OSError: The zip cannot be read, or a file cannot be written.
    """
    try:
        # ZipFile never closes a file that it is given, so threads may read members at the same time.
        with archive.open("rb") as file, zipfile.ZipFile(file) as opened:
            missing = list(_missing(opened, archive, folder).items())
            for part in PARTS:
                (folder / part).mkdir(parents=True, exist_ok=True)
            batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
            title = f"{folder.name}: zip, {BATCH} files at a time"
            write = partial(_extract_batch, opened, archive)
            different = [name for names in parallel_map(write, batches, progress, title) for name in names]
            return len(missing) - len(different), different
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{archive}: {error}; the download is damaged, fetch it again") from error


def _missing(opened: zipfile.ZipFile, archive: Path, folder: Path) -> dict[Path, zipfile.ZipInfo]:
    """Return {file: member} of images/ and annotations/ where the file is missing or has another size than the member."""
    members: dict[Path, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        target = _target(folder, member.filename)
        if target is None:
            continue
        first = members.setdefault(target, member)
        if (first.CRC, first.file_size) != (member.CRC, member.file_size):
            raise ValueError(
                f"{archive}: {first.filename} and {member.filename} differ and are both the file"
                f" {target.parent.name}/{target.name} of the split; is it the official zip of that name?"
            )
    if not members:
        raise ValueError(f"{archive}: holds no images/ and annotations/; is it the official zip of that name?")
    return {
        target: member
        for target, member in members.items()
        if not target.exists() or target.stat().st_size != member.file_size
    }


def _target(folder: Path, name: str) -> Path | None:
    """Return where a member belongs, None if nowhere.

    Zips of this data exist with and without a top folder, with backslashes, and with files of macOS.
    """
    *folders, file = PureWindowsPath(name).parts or ("",)
    part = folders[-1] if folders else ""
    if name.endswith(("/", "\\")) or part not in PARTS or file.startswith(".") or "__MACOSX" in folders:
        return None
    return folder / part / file


def _extract_batch(
    opened: zipfile.ZipFile, archive: Path, members: Sequence[tuple[Path, zipfile.ZipInfo]]
) -> list[str]:
    """Write members; return the files that stay because they differ from theirs."""
    different = []
    for target, member in members:
        if target.exists() and not _is_beginning(target, _chunks(opened, archive, member)):
            different.append("/".join(target.parts[-3:]))
        else:
            atomic_write(target, _chunks(opened, archive, member))
    return different


def _chunks(opened: zipfile.ZipFile, archive: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the content of a member piece by piece."""
    try:
        with opened.open(member) as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except RuntimeError as error:  # encrypted, or a compression that Python lacks
        raise ValueError(
            f"{archive}: {member.filename} cannot be read ({error}); extract the zip with another program, its images/"
            " and annotations/ into a folder of the zip's name beside it"
        ) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise ValueError(f"{archive}: {member.filename}: {error}; the download is damaged, fetch it again") from error


def _is_beginning(path: Path, content: Iterator[bytes]) -> bool:
    """Tell whether the content begins with the file and goes on after it."""
    with path.open("rb") as file:
        for chunk in content:
            written = file.read(len(chunk))
            if not chunk.startswith(written):
                return False
            if len(written) < len(chunk):
                return True
    return False
