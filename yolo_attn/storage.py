"""Files that appear whole or not at all, and folders in which one process works at a time."""

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def atomic_write(path: str | Path, content: bytes | str | Iterable[bytes], durable: bool = False) -> None:
    """Write a file in one step: readers see the old content or the new, also after a kill or on a full disk.

    The content goes to `path`.partial, which then takes the place of `path`; the next write replaces a draft that a
    killed process left. A symbolic link stays one: its target is written. A device or a pipe is written directly.

    Args:
        path: File to write; its folder must exist. Only one process may write it at a time; see `folder_lock`.
        content: Text is written as UTF-8, line ends unchanged; chunks of bytes are written one after the other.
        durable: Wait until the content is on the disk, for a file whose presence a later step takes as proof.

    Raises:
        OSError: The file cannot be written. The message names it, its old content is unchanged, and no draft stays.
    """
    if isinstance(content, str):
        content = content.encode()
    chunks = (content,) if isinstance(content, bytes | bytearray | memoryview) else content
    exists = os.path.exists(path)
    if exists and not os.access(path, os.W_OK):  # a replacement would not ask
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    is_special = exists and not os.path.isfile(path)  # /dev/stdout, a pipe
    target = os.path.realpath(path) if os.path.islink(path) and not is_special else str(path)
    draft = target if is_special else f"{target}.partial"
    with _moved(draft, target, str(path)), open(draft, "wb") as file:
        file.writelines(chunks)
        if durable and not is_special:
            file.flush()
            os.fsync(file.fileno())
        if exists and not is_special:
            shutil.copymode(target, draft)


@contextmanager
def _moved(draft: str, target: str, name: str) -> Iterator[None]:
    """Move a draft to its target when the block ends, or remove it after an error, which then names the file `name`."""
    try:
        yield
        if draft != target:
            os.replace(draft, target)
    except BaseException as error:
        if draft != target:
            Path(draft).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, draft):
            raise OSError(error.errno, error.strerror, name) from error  # a full disk is reported without a name
        raise  # also an error of another file that is written in the same block


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a draft to write to, which becomes `path` when the block ends; for files that are written by name or in parts.

    After an error `path` is as before and no draft stays. The draft lies beside `path`, in a folder that exists, and has its
    suffix.

    Raises:
        OSError: The file cannot be written. The message names it.
    """
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]  # no file of a user, never too long, no second draft
    draft = path.with_name(f".yolo-attn-{name}{path.suffix}")
    with _moved(str(draft), str(path), str(path)):
        yield draft


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files of a folder in order of their names, in hexadecimal digits."""
    content = hashlib.sha256()
    for part in sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]:
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                content.update(block)
    return content.hexdigest()


@contextmanager
def folder_lock(folder: Path, busy: str, timeout: float) -> Iterator[None]:
    """Hold a folder, which must exist, against every other `folder_lock` of it, also on Windows and between threads.

    The operating system releases the lock when the process ends, however it ends.

    Args:
        folder: The lock is the file .lock in it.
        busy: Message if another process holds the folder: logged while this one waits, and raised after `timeout`.
        timeout: Seconds to wait for the other process; 0 does not wait.

    Raises:
        FileExistsError: The folder is still held after `timeout` seconds; the message is `busy`.
        OSError: The lock file cannot be written.
    """
    from filelock import FileLock, Timeout  # here: the ONNX runtime without torch writes files and locks nothing

    lock = FileLock(Path(folder) / ".lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if timeout <= 0:
                raise
            logging.getLogger(__name__).warning("%s; waiting up to %g s", busy, timeout)
            lock.acquire(timeout=timeout)
    except Timeout:
        raise FileExistsError(busy) from None
    try:
        yield
    finally:
        lock.release()
