"""Files that are whole or not there, and folders that one process holds at a time."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import pytest

from yolo_attn.storage import atomic_path, atomic_write, digest, folder_lock

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX system")


def test_text_is_written_as_utf8_with_its_line_ends(tmp_path):
    atomic_write(tmp_path / "a.txt", "é\r\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\r\nb\n"


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("content", [b"abcd", bytearray(b"abcd"), [b"ab", b"", b"cd"], (b"a", b"bcd")])
def test_bytes_and_chunks_replace_the_old_content_and_leave_no_draft(tmp_path, content, durable):
    (tmp_path / "a").write_bytes(b"old and longer")
    (tmp_path / "a.partial").write_bytes(b"what a killed process left")
    atomic_write(tmp_path / "a", iter(content) if isinstance(content, tuple) else content, durable)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"abcd"}


def test_readers_never_see_the_new_content_before_it_is_whole(tmp_path):
    def chunks():
        yield b"new "
        seen.append((tmp_path / "a").read_bytes())
        yield b"content"

    seen = []
    (tmp_path / "a").write_bytes(b"old")
    atomic_write(tmp_path / "a", chunks())
    assert seen == [b"old"]
    assert (tmp_path / "a").read_bytes() == b"new content"


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit fails as on a full disk, with EFBIG
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from pathlib import Path
from yolo_attn.storage import atomic_path, atomic_write
try:
    with atomic_path(Path(sys.argv[1])) as draft:
        draft.write_bytes(b"x" * 9999)
except OSError as error:
    print(error.filename)
for content in b"x" * 6611, [b"x" * 3000] * 3:
    try:
        atomic_write(sys.argv[1], content, durable=True)
    except OSError as error:
        print(error.filename)
"""


@POSIX
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_the_old_file_or_none_and_is_reported_with_the_name(tmp_path, old):
    path = tmp_path / "picture.jpg"
    if old:
        path.write_bytes(old)
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True)
    assert done.stdout.split() == [str(path)] * 3, done.stderr
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == ({"picture.jpg": old} if old else {})


@pytest.mark.parametrize("name", ["a.mp4", 251 * "a" + ".mp4"])
def test_a_draft_replaces_the_file_when_its_block_ends_unless_with_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / name) as draft:
        draft.write_bytes(b"half")
        raise KeyboardInterrupt
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {name: b"old"}
    with atomic_path(tmp_path / name) as draft:
        assert draft.suffix == ".mp4"
        draft.write_bytes(b"new")
        assert (tmp_path / name).read_bytes() == b"old"
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {name: b"new"}


def test_a_draft_does_not_take_the_error_of_another_file_for_its_own(tmp_path):
    with pytest.raises(FileNotFoundError) as error, atomic_path(tmp_path / "a"):
        atomic_write(tmp_path / "gone" / "b", "text")
    assert error.value.filename == str(tmp_path / "gone" / "b")


def test_the_digest_of_a_folder_is_that_of_its_files_one_after_the_other(tmp_path):
    (tmp_path / "model" / "b").mkdir(parents=True)
    (tmp_path / "model" / "b" / "c").write_bytes(b"c")
    (tmp_path / "model" / "a").write_bytes(b"ab")
    (tmp_path / "file").write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert digest(tmp_path / "model") == digest(tmp_path / "file") == abc


def test_an_interruption_leaves_no_draft(tmp_path):
    def chunks():
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "a", chunks())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["folder", "missing/file"])
def test_a_path_that_cannot_be_written_is_named(tmp_path, place):
    (tmp_path / "folder").mkdir()
    path = tmp_path / place
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError) as caught:
        atomic_write(path, b"content")
    assert caught.value.filename == str(path)
    assert sorted(tmp_path.rglob("*")) == before


@POSIX
def test_a_link_keeps_pointing_and_a_file_keeps_its_permissions(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "link").symlink_to("file")
    atomic_write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@POSIX
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may write any file")
def test_a_read_only_file_is_not_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "a").chmod(0o400)
    with pytest.raises(PermissionError, match="read-only"):
        atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"mine"


@POSIX
def test_a_device_is_written_directly():
    code = "from yolo_attn.storage import atomic_write; atomic_write('/dev/stdout', 'numbers', durable=True)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "numbers"


def test_a_held_folder_is_refused_at_once_without_waiting(tmp_path, caplog):
    with (
        folder_lock(tmp_path, "busy", 0),
        pytest.raises(FileExistsError, match=r"^busy$"),
        folder_lock(tmp_path, "busy", 0),
    ):
        raise AssertionError("two hold the folder")
    assert caplog.messages == []


def test_a_held_folder_is_refused_after_the_timeout_with_a_message_before(tmp_path, caplog):
    with folder_lock(tmp_path, "busy", 0):
        start = time.monotonic()
        with pytest.raises(FileExistsError, match=r"^busy$"), folder_lock(tmp_path, "busy", 0.3):
            raise AssertionError("two hold the folder")
        assert time.monotonic() - start >= 0.3
    assert caplog.messages == ["busy; waiting up to 0.3 s"]
    with folder_lock(tmp_path, "busy", 0):
        pass


def test_waiting_threads_take_turns(tmp_path):
    def work():
        with folder_lock(tmp_path, "busy", 30):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    inside, most = [], []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4


def hold(folder, ready):
    with folder_lock(folder, "busy", 0):
        ready.set()
        time.sleep(60)


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(30)
    with pytest.raises(FileExistsError), folder_lock(tmp_path, "busy", 0):
        raise AssertionError("two hold the folder")
    process.kill()
    process.join()
    with folder_lock(tmp_path, "busy", 5):
        pass


def test_an_error_inside_releases_the_folder(tmp_path):
    with pytest.raises(RuntimeError), folder_lock(tmp_path, "busy", 0):
        raise RuntimeError
    with folder_lock(tmp_path, "busy", 0):
        pass


@POSIX
def test_storage_works_where_windows_lacks_parts(tmp_path):
    code = f"""
import os, sys
sys.modules["fcntl"] = sys.modules["filelock"] = None
del os.fork, os.killpg
from pathlib import Path
from yolo_attn.storage import atomic_write
atomic_write(Path({str(tmp_path)!r}) / "a", b"content", durable=True)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "a").read_bytes() == b"content"
