"""Labels beside the official folders: what is written, what is reported, and what an interruption leaves."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from ultralytics.data import utils as ultralytics_data
from ultralytics.data.dataset import YOLODataset
from ultralytics.utils import DEFAULT_CFG, ONLINE

from yolo_attn.visdrone.annotations import NAMES
from yolo_attn.visdrone.prepare import prepare
from yolo_attn.visdrone.prepare_report import Occurrences
from yolo_attn.visdrone.splits import FOLDERS

ROOT = Path(__file__).parents[2]
CAR = "10,20,30,40,1,4,0,0\n"  # centre (25, 40) of 100 x 50 pixels, clipped to 30 high: y 20..50, centre 35
CAR_LABEL = "3 0.250000 0.700000 0.300000 0.600000\n"


def split(root: Path, annotations: dict[str, str], name: str = "val", images: list[str] | None = None) -> Path:
    """An official folder with images of 100 x 50 pixels."""
    folder = root / FOLDERS[name]
    for part in ("images", "annotations"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for stem, content in annotations.items():
        (folder / "annotations" / f"{stem}.txt").write_bytes(content.encode())
    for stem in annotations if images is None else images:
        Image.new("RGB", (100, 50)).save(folder / "images" / f"{stem}.jpg")
    return folder


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_labels_and_the_list_of_images_join_the_official_files_which_stay(tmp_path):
    folder = split(tmp_path, {"a": CAR, "b": ""})
    before = files(folder)
    report = prepare(tmp_path, ["val"]).splits["val"]
    added = {"labels/a.txt": CAR_LABEL.encode(), "labels/b.txt": b"", "images.txt": b"./images/a.jpg\n./images/b.jpg\n"}
    digests = [f"{hashlib.sha256(added[name]).hexdigest()}  {name}\n" for name in ("labels/a.txt", "labels/b.txt")]
    assert files(folder) == before | added | {"labels.sha256": "".join(digests).encode()}
    assert report.images == report.written == 2
    assert report.boxes == dict.fromkeys(NAMES, 0) | {"car": 1}
    assert report.left_out == {}
    assert report.without_annotation is report.without_image is None


def test_every_row_left_out_is_counted_with_file_and_line_of_the_first(tmp_path):
    a = "\r\n0,0,10,10,0,0,0,0\r\n" + CAR + "5,5,5,5,1,11,0,0\r\n\r\n5,5,0,5,1,1,0,0\r\n"
    b = "0,0,9,9,1,0,0,0\n" + CAR + CAR + "200,5,5,5,1,1,0,0\n0,0,9,9,0,2,0,0\n5,5,5,5,0,11,0,0\n"
    split(tmp_path, {"a": a, "b": b})
    report = prepare(tmp_path, ["val"]).splits["val"]
    where = "VisDrone2019-DET-val/annotations/"
    assert report.left_out == {
        "ignored region": Occurrences(2, f"{where}a.txt:2"),
        "others": Occurrences(2, f"{where}a.txt:4"),
        "score 0": Occurrences(1, f"{where}b.txt:5"),
        "zero size": Occurrences(1, f"{where}a.txt:6"),
        "outside the image": Occurrences(1, f"{where}b.txt:4"),
        "duplicate": Occurrences(1, f"{where}b.txt:3"),
    }
    assert report.boxes["car"] == sum(report.boxes.values()) == 2


def test_images_and_annotations_without_the_other_are_reported_and_not_listed(tmp_path):
    folder = split(tmp_path, {"a": CAR, "b": CAR, "c": CAR}, images=["b", "d", "e"])
    report = prepare(tmp_path, ["val"]).splits["val"]
    assert report.without_image == Occurrences(2, "VisDrone2019-DET-val/annotations/a.txt")
    assert report.without_annotation == Occurrences(2, "VisDrone2019-DET-val/images/d.jpg")
    assert report.images == 1
    assert (folder / "images.txt").read_text() == "./images/b.jpg\n"
    assert [path.name for path in (folder / "labels").iterdir()] == ["b.txt"]


@pytest.mark.parametrize(
    "content",
    [
        CAR,
        CAR.strip(),
        CAR.replace("\n", "\r\n"),
        "\ufeff" + CAR,
        CAR.replace("\n", ",\n"),
        "\n \n" + CAR + "\n",
        " 10, 20,\t30 ,40,1,4,0,0 \n",
        "10,20,30,40,1,4\n",
        "10.0,20,30,40,1,4,0,0\n",
    ],
    ids=["plain", "no-newline", "crlf", "mark", "comma", "blank", "spaces", "six-columns", "decimals"],
)
def test_every_accepted_form_gives_the_same_label(tmp_path, content):
    folder = split(tmp_path, {"a": content})
    prepare(tmp_path, ["val"])
    assert (folder / "labels" / "a.txt").read_text() == CAR_LABEL


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (CAR + "1,2,3,4,1,4,0\n", r"b\.txt, line 2: 7 columns"),
        (CAR + "\n1,2,x,4,1,4,0,0\n", r"b\.txt, line 3: width is 'x'"),
        ("\n" + CAR + "\n1,2,3,4,1,12,0,0\n", r"b\.txt, line 4: category is 12; .*0\.\.11"),
        ("1,2,3,4,0.9,4,-1,-1\n", r"b\.txt, line 1: score is 0\.9; .*a detection file"),
    ],
    ids=["columns", "no-number", "category", "detections"],
)
def test_any_other_row_is_refused_with_file_and_line_and_no_list_is_written(tmp_path, content, sentence):
    folder = split(tmp_path, {"a": CAR, "b": content, "c": content})
    with pytest.raises(ValueError, match=rf"(?s)2 of 3 images get no labels.*{sentence}.*c\.txt"):
        prepare(tmp_path, ["val"])
    assert not (folder / "images.txt").exists()


def test_an_unreadable_image_is_refused_by_name(tmp_path):
    folder = split(tmp_path, {"a": CAR, "b": CAR})
    (folder / "images" / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1 of 2 images.*\n.*b\.jpg: no readable image"):
        prepare(tmp_path, ["val"])


def test_nothing_is_written_again_that_is_up_to_date(tmp_path):
    folder = split(tmp_path, {"a": CAR, "b": CAR})
    first = prepare(tmp_path, ["val"]).splits["val"]
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = prepare(tmp_path, ["val"]).splits["val"]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times
    assert (first.written, again.written) == (2, 0)
    assert again.boxes == first.boxes


@pytest.mark.parametrize("change", ["annotation", "image"])
def test_a_label_is_written_again_when_it_is_not_what_it_should_be_and_the_cache_goes(tmp_path, change):
    folder = split(tmp_path, {"a": CAR, "b": CAR})
    prepare(tmp_path, ["val"])
    (folder / "labels.cache").write_bytes(b"what Ultralytics knew")
    expected = CAR_LABEL
    if change == "annotation":
        (folder / "annotations" / "a.txt").write_text(CAR.replace(",4,0", ",9,0"))
        expected = "8" + CAR_LABEL[1:]  # of the same length, which is all that some versions of Ultralytics look at
    else:
        Image.new("RGB", (200, 50)).save(folder / "images" / "a.jpg")
        expected = "3 0.125000 0.700000 0.150000 0.600000\n"
    assert prepare(tmp_path, ["val"]).splits["val"].written == 1
    assert (folder / "labels" / "a.txt").read_text() == expected
    assert not (folder / "labels.cache").exists()


def test_the_cache_stays_when_no_label_changes(tmp_path):
    folder = split(tmp_path, {"a": CAR})
    prepare(tmp_path, ["val"])
    (folder / "labels.cache").write_bytes(b"what Ultralytics knows")
    prepare(tmp_path, ["val"])
    assert (folder / "labels.cache").exists()


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
    texts = [f"{part}/{stem}.txt" for part in ("annotations", "labels") for stem in "ab"]
    assert {*files(tmp_path / FOLDERS["val"])} == {
        *texts,
        "images/a.jpg",
        "images/b.jpg",
        "images.txt",
        "labels.sha256",
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


@pytest.mark.parametrize(
    ("make", "splits", "error", "sentence"),
    [
        (lambda root: None, ["val"], FileNotFoundError, r"download VisDrone2019-DET-val\.zip .*github\.com/VisDrone"),
        (
            lambda root: split(root, {"a": CAR}),
            ["train", "val"],
            FileNotFoundError,
            r"download VisDrone2019-DET-train\.zip",
        ),
        (
            lambda root: split(root, {"a": CAR}),
            ["test"],
            ValueError,
            r"splits test given; they are train, val, test-dev",
        ),
        (lambda root: split(root, {"a": CAR}), [], ValueError, r"splits none given"),
        (lambda root: split(root, {"a": CAR}, images=[]), ["val"], FileNotFoundError, "none of its 1 annotation files"),
        (lambda root: (root / FOLDERS["val"]).mkdir(), ["val"], FileNotFoundError, "images: not there"),
        (
            lambda root: Image.new("RGB", (9, 9)).save(split(root, {"a": CAR}) / "images/a.png"),
            ["val"],
            ValueError,
            "stem",
        ),
    ],
    ids=["nothing", "one-split", "name", "no-name", "no-pair", "empty-folder", "two-images"],
)
def test_what_is_missing_or_wrong_is_named(tmp_path, make, splits, error, sentence):
    make(tmp_path)
    with pytest.raises(error, match=sentence):
        prepare(tmp_path, splits)


def test_the_list_of_val_is_written_after_those_of_the_other_splits(tmp_path):
    split(tmp_path, {"a": CAR}, "val")
    split(tmp_path, {"a": CAR, "b": "no number\n"}, "test-dev")
    with pytest.raises(ValueError, match="test-dev"):
        prepare(tmp_path, ["val", "test-dev"])
    assert not (tmp_path / FOLDERS["val"] / "images.txt").exists()


def living(group: int) -> list[str]:
    """The processes of a group, without those that have ended and wait for someone to ask how."""
    states = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, of_group = file.read_text().rpartition(")")[2].split()[:3]
            states[file.parent.name] = (int(of_group), state)
    return [process for process, (of_group, state) in states.items() if of_group == group and state != "Z"]


@pytest.mark.skipif(sys.platform != "linux", reason="one process elsewhere")
@pytest.mark.parametrize("after", [0.25, 0.5])
def test_a_run_killed_at_any_moment_leaves_whole_files_and_the_next_completes_it(tmp_path, after):
    stems = [f"{number:05d}" for number in range(600)]
    for where in ("whole", "cut"):
        zipped(tmp_path / where, stems=stems)
    prepare(tmp_path / "whole", ["val"])
    root = str(tmp_path / "cut")
    code = f"from yolo_attn.visdrone.prepare import prepare; print('ready', flush=True); prepare({root!r}, ['val'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    process.stdout.readline()
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1)
    assert living(process.pid) == []
    folders = tmp_path / "whole" / FOLDERS["val"], tmp_path / "cut" / FOLDERS["val"]
    expected = files(folders[0])
    left = files(folders[1]) if folders[1].exists() else {}
    assert all(content == expected[name] for name, content in left.items() if ".partial" not in name)
    report = prepare(tmp_path / "cut", ["val"]).splits["val"]
    assert report.boxes["car"] == report.images == 600
    assert files(folders[1]) == expected


@pytest.fixture
def datasets(tmp_path, monkeypatch) -> Path:
    """The folder VisDrone in which Ultralytics looks."""
    monkeypatch.setattr(ultralytics_data, "DATASETS_DIR", tmp_path)
    monkeypatch.setattr(ultralytics_data, "check_font", lambda font: None)  # would download
    monkeypatch.chdir(tmp_path)
    return tmp_path / "VisDrone"


def test_ultralytics_prepares_the_folders_on_first_use_and_trains_on_the_labels(datasets):
    for name in FOLDERS:
        split(datasets, {"a": CAR, "b": CAR + "1,2,3,4,1,10,0,0\n"}, name, images=["a", "b", "not-annotated"])
    data = ultralytics_data.check_det_dataset("data/VisDrone.yaml")
    assert list(data["names"].values()) == list(NAMES)
    dataset = YOLODataset(img_path=data["train"], data=data, task="detect", hyp=DEFAULT_CFG, augment=False)
    assert [label["cls"].ravel().tolist() for label in dataset.labels] == [[3], [3, 9]]
    assert ultralytics_data.check_det_dataset("data/VisDrone.yaml")["val"] == data["val"]


@pytest.mark.skipif(ONLINE, reason="would download the data set")
def test_ultralytics_says_where_to_get_the_zips_when_they_are_missing(datasets):
    with pytest.raises(FileNotFoundError, match=r"VisDrone2019-DET-train\.zip.*https://github\.com/VisDrone"):
        ultralytics_data.check_det_dataset("data/VisDrone.yaml")


def test_the_data_yaml_is_found_from_any_folder_and_leaves_the_stock_name_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = ultralytics_data.check_file("data/VisDrone.yaml")
    assert Path(ours).resolve() == ROOT / "data" / "VisDrone.yaml"
    assert Path(ultralytics_data.check_file("VisDrone.yaml")).parent.name == "datasets"
