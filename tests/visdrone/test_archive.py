"""Official zips, and runs that are cut, side by side, or out of room."""

import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.visdrone.test_prepare import CAR, CAR_LABEL, files, split
from yolo_attn.visdrone.prepare import prepare
from yolo_attn.visdrone.prepare_report import Occurrences
from yolo_attn.visdrone.splits import FOLDERS


def zipped(root: Path, name: str = "val", top: str | None = None, stems=("a", "b")) -> Path:
    """The zip of a split, and no folder; `top` is the folder inside it."""
    source = split(root / "source", dict.fromkeys(stems, CAR), name)
    top = f"{FOLDERS[name]}/" if top is None else top
    with zipfile.ZipFile(root / f"{FOLDERS[name]}.zip", "w") as archive:
        archive.writestr("__MACOSX/images/._a.jpg", b"not an image")
        archive.writestr(f"{top}images/", b"")
        for path in sorted(source.rglob("*.*")):
            archive.write(path, f"{top}{path.relative_to(source).as_posix()}")
    return root / f"{FOLDERS[name]}.zip"


@pytest.mark.parametrize("top", [None, ""], ids=["in-its-folder", "flat"])
def test_an_official_zip_is_extracted_and_kept(tmp_path, top):
    archive = zipped(tmp_path, top=top)
    report = prepare(tmp_path, ["val"]).splits["val"]
    assert (report.images, report.extracted, report.boxes["car"]) == (2, 4, 2)
    assert archive.exists()
    texts = [f"{part}/{stem}.txt" for part in ("annotations", "labels", "ignored") for stem in "ab"]
    assert {*files(tmp_path / FOLDERS["val"])} == {
        *texts,
        "images/a.jpg",
        "images/b.jpg",
        "images.txt",
        "labels.sha256",
        "ignored.sha256",
    }


def test_extraction_goes_on_where_it_was_cut_and_leaves_what_is_there(tmp_path):
    zipped(tmp_path)
    folder = tmp_path / FOLDERS["val"]
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (200, 50)).save(folder / "images" / "a.jpg")  # someone's own
    (folder / "images" / "b.jpg.partial").write_bytes(b"what a killed run left")
    assert prepare(tmp_path, ["val"]).splits["val"].extracted == 3
    assert Image.open(folder / "images" / "a.jpg").size == (200, 50)
    assert not list(folder.rglob("*.partial"))
    assert prepare(tmp_path, ["val"]).splits["val"].extracted == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "other"])
def test_a_zip_that_is_damaged_or_another_is_named(tmp_path, damage):
    archive = zipped(tmp_path)
    content = archive.read_bytes()
    if damage == "other":
        archive.unlink()
        with zipfile.ZipFile(archive, "w") as other:
            other.writestr("thesis.txt", "work")
    else:
        spot = content.index(b"\xff\xd8\xff") + 300  # in the first picture
        archive.write_bytes(content[:spot] if damage == "cut" else content[:spot] + b"?!" + content[spot + 2 :])
    with pytest.raises(ValueError, match=r"VisDrone2019-DET-val\.zip.*(fetch it again|is it the official zip)"):
        prepare(tmp_path, ["val"])
    assert not (tmp_path / FOLDERS["val"] / "images.txt").exists()


def test_a_picture_that_was_cut_is_extracted_again(tmp_path):
    zipped(tmp_path)
    prepare(tmp_path, ["val"])
    picture = tmp_path / FOLDERS["val"] / "images" / "a.jpg"
    whole = picture.read_bytes()
    for cut in (b"", whole[:100], whole[:-1]):
        picture.write_bytes(cut)
        assert prepare(tmp_path, ["val"]).splits["val"].extracted == 1
        assert picture.read_bytes() == whole


def test_a_file_that_someone_changed_stays_and_is_reported(tmp_path):
    zipped(tmp_path)
    prepare(tmp_path, ["val"])
    folder = tmp_path / FOLDERS["val"]
    picture = folder / "images" / "b.jpg"
    (folder / "annotations" / "a.txt").write_text(CAR[1:])
    picture.write_bytes(picture.read_bytes() + b"metadata")
    before = files(folder / "images") | files(folder / "annotations")
    for _ in range(2):
        report = prepare(tmp_path, ["val"]).splits["val"]
        assert report.extracted == 0
        assert report.different == Occurrences(2, f"{folder.name}/annotations/a.txt")
    assert files(folder / "images") | files(folder / "annotations") == before


def patched(archive: Path, name: str, offset: int, value: int) -> None:
    """Set a byte of a member's headers; `offset` counts in the local one, the central one has two bytes more before."""
    content = bytearray(archive.read_bytes())
    for mark, start, length in ((b"PK\x03\x04", 0, 30), (b"PK\x01\x02", 2, 46)):
        place = content.index(mark)
        while content[place + length : place + length + len(name)] != name.encode():
            place = content.index(mark, place + 1)
        content[place + start + offset] = value
    archive.write_bytes(content)


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [(6, 1, "encrypted"), (8, 9, "compression"), (8, 97, "compression")],
    ids=["encrypted", "deflate64", "wavpack"],
)
def test_an_encrypted_or_unusually_compressed_zip_is_named_with_the_way_out(tmp_path, offset, value, reason):
    archive, name = zipped(tmp_path), f"{FOLDERS['val']}/images/b.jpg"
    patched(archive, name, offset, value)
    with pytest.raises(ValueError, match=rf"VisDrone2019-DET-val\.zip: {name} cannot be read .*{reason}.*another prog"):
        prepare(tmp_path, ["val"])
    assert not (tmp_path / FOLDERS["val"] / "images" / "b.jpg").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("damage", [False, True])
def test_every_compression_that_python_knows_is_read_and_its_damage_named(tmp_path, method, damage):
    source = split(tmp_path / "source", {"a": CAR * 40})
    archive = tmp_path / f"{FOLDERS['val']}.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        opened.write(source / "annotations" / "a.txt", "annotations/a.txt")
        opened.write(source / "images" / "a.jpg", "images/a.jpg")
    if damage:
        content = bytearray(archive.read_bytes())
        content[60:64] = b"????"
        archive.write_bytes(content)
        with pytest.raises(ValueError, match=r"VisDrone2019-DET-val\.zip: annotations/a\.txt: .*fetch it again"):
            prepare(tmp_path, ["val"])
    else:
        assert prepare(tmp_path, ["val"]).splits["val"].boxes["car"] == 1


@pytest.mark.parametrize(
    "top",
    ["VisDrone2019-DET-val\\", "C:\\data\\VisDrone2019-DET-val\\", "\\\\server\\share\\", "./", "/abs/", "../../"],
)
def test_members_may_be_named_by_paths_of_any_system_and_stay_inside_the_folder(tmp_path, top):
    source = split(tmp_path / "source", {"a": CAR.replace("\n", "\r\n")})
    (tmp_path / "root").mkdir()
    with zipfile.ZipFile(tmp_path / "root" / f"{FOLDERS['val']}.zip", "w") as opened:
        separator = top[-1]
        opened.writestr(f"{top}images{separator}", b"")
        for part, name in ("images", "a.jpg"), ("annotations", "a.txt"):
            opened.write(source / part / name, f"{top}{part}{separator}{name}")
    assert prepare(tmp_path / "root", ["val"]).splits["val"].extracted == 2
    made = {*files(tmp_path)} - {f"root/{FOLDERS['val']}.zip", "root/.lock"}
    names = [
        "images/a.jpg",
        "annotations/a.txt",
        "labels/a.txt",
        "ignored/a.txt",
        "images.txt",
        "labels.sha256",
        "ignored.sha256",
    ]
    assert {name for name in made if not name.startswith("source/")} == {
        f"root/{FOLDERS['val']}/{name}" for name in names
    }


def test_members_that_are_one_file_are_refused_unless_they_are_the_same(tmp_path):
    archive = zipped(tmp_path)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("annotations/a.txt", CAR)
    assert prepare(tmp_path, ["val"]).splits["val"].extracted == 4
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("annotations/b.txt", CAR * 2)
    with pytest.raises(ValueError, match=r"VisDrone2019-DET-val/annotations/b\.txt and annotations/b\.txt differ"):
        prepare(tmp_path, ["val"])


STEMS = [f"{number:05d}" for number in range(600)]
FOLLOWED = """
import sys
from yolo_attn.visdrone.prepare import prepare

def progress(tasks, title):
    for task in tasks:
        yield task
        print(title, flush=True)  # when the task is done

prepare(sys.argv[1], ["val"], progress)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    zipped(root, stems=STEMS)
    prepare(root, ["val"])
    return root


@pytest.mark.parametrize("steps", [1, 20, 25, 30, 36])  # of 24 with files of the zip and 12 with labels
def test_a_run_killed_at_any_moment_leaves_whole_files_and_the_next_completes_it(tmp_path, whole, steps):
    archive = f"{FOLDERS['val']}.zip"
    os.link(whole / archive, tmp_path / archive)
    process = subprocess.Popen([sys.executable, "-c", FOLLOWED, str(tmp_path)], stdout=subprocess.PIPE)
    for _ in range(steps):
        assert process.stdout.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    assert children == [], "nothing is there that could outlive a killed run"
    folder, expected = tmp_path / FOLDERS["val"], files(whole / FOLDERS["val"])
    left = files(folder)
    assert len(left) >= 50
    assert all(content == expected[name] for name, content in left.items() if ".partial" not in name)
    report = prepare(tmp_path, ["val"]).splits["val"]
    assert report.boxes["car"] == report.images == 600
    assert files(folder) == expected


def test_two_at_once_on_one_root_take_turns(tmp_path, whole):
    archive = f"{FOLDERS['val']}.zip"
    os.link(whole / archive, tmp_path / archive)
    code = f"from yolo_attn.visdrone.prepare import prepare; print(prepare({str(tmp_path)!r}, ['val']).splits['val'].written)"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [process.communicate() for process in processes]
    assert sorted(out for out, _ in ended) == ["0\n", "600\n"], ended
    assert "works there; waiting up to 600 s" in "".join(error for _, error in ended)
    assert files(tmp_path / FOLDERS["val"]) == files(whole / FOLDERS["val"])


def test_two_threads_on_one_root_take_turns(tmp_path):
    split(tmp_path, {"a": CAR, "b": CAR})
    written = []
    threads = [
        threading.Thread(target=lambda: written.append(prepare(tmp_path, ["val"]).splits["val"].written))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written) == [0, 0, 2]


def noisy(root: Path) -> Path:
    """A zip of one picture of more than 4096 bytes."""
    source = split(root / "source", {"a": CAR})
    noise = np.random.default_rng(0).integers(0, 256, (50, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(source / "images" / "a.jpg", quality=95)
    with zipfile.ZipFile(root / f"{FOLDERS['val']}.zip", "w") as archive:
        for path in source.rglob("*.*"):
            archive.write(path, path.relative_to(source).as_posix())
    return source


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.argv = ["yolo-attn", "visdrone", "prepare", "--root", sys.argv[1]]
from yolo_attn.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_on_a_full_disk_no_cut_picture_stays_and_the_next_run_completes_it(tmp_path):
    source, folder = noisy(tmp_path), tmp_path / FOLDERS["val"]
    assert (source / "images" / "a.jpg").stat().st_size > 4096
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"yolo-attn: {folder / 'images' / 'a.jpg'}: ")
    assert "Traceback" not in done.stderr
    assert list((folder / "images").iterdir()) == []
    assert not (folder / "images.txt").exists()
    prepare(tmp_path, ["val"])
    assert (folder / "images" / "a.jpg").read_bytes() == (source / "images" / "a.jpg").read_bytes()


UNGUARDED = """
import multiprocessing, os, sys
multiprocessing.set_start_method("spawn")
sys.modules["fcntl"] = None
for name in {"fork", "killpg", "getppid"} & set(dir(os)):
    delattr(os, name)
open(sys.argv[1] + "/started", "a").write("x")
from yolo_attn.visdrone.prepare import prepare
print(prepare(sys.argv[1], ["val"]).splits["val"].boxes["car"])
from yolo_attn.demo import draw
print(len(list(draw(sys.argv[1] + "/demo", (2, 1, 1), sizes=((96, 64),)).rglob("*.jpg"))))
"""


def test_a_script_without_a_main_guard_prepares_where_processes_can_only_be_spawned(tmp_path):
    folder = split(tmp_path, {f"{number:03d}": CAR for number in range(120)})
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run([sys.executable, str(tmp_path / "script.py"), str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.split() == ["120", "4"], done.stderr
    assert (folder / "labels" / "119.txt").read_text() == CAR_LABEL
    assert (tmp_path / "started").read_text() == "x"
