"""Files that are whole or not there, whatever happens while they are written, and folders that one process at a time works in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def atomic_write(path: str | Path, content: bytes | str, durable: bool = False) -> None:
    """Write a file in one step: readers see the old content or the new, also after a kill or on a full disk.

    The draft's name follows from the file's name, so the next run overwrites what a killed run left.

    Args:
        path: The file; its folder must exist.
        content: Text is written as UTF-8, line ends as they are.
        durable: Wait until the content is on the disk, for files whose presence a later step takes as proof.

    Raises:
        OSError: The file cannot be written; the old content, if any, is unchanged and no draft stays.
    """
    draft = f"{path}.partial"
    try:
        with open(draft, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def folder_lock(folder: str | Path, busy: str, timeout: float = 0.0) -> Iterator[None]:
    """Hold a folder against other processes that take the same lock. The system frees it when its holder ends, however it ends.

    Args:
        folder: Made if it is not there; the lock is its file `.lock`.
        busy: Message of the error when another process holds the lock.
        timeout: Seconds to wait for another process.

    Raises:
        FileExistsError: Another process still holds the lock after `timeout`.
    """
    from filelock import FileLock, Timeout  # comes with torch; what only writes files runs without it

    Path(folder).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(folder) / ".lock", timeout=timeout)
    try:
        lock.acquire()
    except Timeout:
        raise FileExistsError(busy) from None
    try:
        yield
    finally:
        lock.release()
