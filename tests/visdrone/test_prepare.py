"""Labels beside the official folders: what is written, what is reported, and what an interruption leaves."""

import hashlib
import re
import shutil
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
    added = {"labels/a.txt": CAR_LABEL.encode(), "labels/b.txt": b"", "ignored/a.txt": b"", "ignored/b.txt": b""}
    for kind in ("labels", "ignored"):
        lines = [f"{hashlib.sha256(added[name]).hexdigest()}  {name}\n" for name in sorted(added) if kind in name]
        added[f"{kind}.sha256"] = "".join(lines).encode()
    assert files(folder) == before | added | {"images.txt": b"./images/a.jpg\n./images/b.jpg\n"}
    assert report.images == report.written == 2
    assert report.boxes == dict.fromkeys(NAMES, 0) | {"car": 1}
    assert report.left_out == {}
    assert report.without_annotation is report.without_image is None


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_that_training_would_rotate_and_its_annotations_would_not_is_refused(tmp_path, suffix):
    folder = split(tmp_path, {"a": CAR, "b": CAR}, images=[])
    note = Image.Exif()
    for stem, orientation in (("a", 1), ("b", 6)):
        note[0x0112] = orientation
        Image.new("RGB", (100, 50)).save(folder / "images" / f"{stem}{suffix}", exif=note)
    with pytest.raises(
        ValueError, match=rf"1 of 2 images .*\n.*b\{suffix}: its EXIF note \(orientation 6\) turns the image"
    ):
        prepare(tmp_path, ["val"])
    note[0x0112] = 1
    Image.new("RGB", (100, 50)).save(folder / "images" / f"b{suffix}", exif=note)
    assert prepare(tmp_path, ["val"]).splits["val"].boxes["car"] == 2


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


def test_ignored_regions_are_kept_as_fractions_of_the_picture(tmp_path):
    inside = "80,30,40,40,0,0,0,0\n"  # clipped to x 80..100 of 100, y 30..50 of 50: centre (90, 40), 20 x 20
    scored = "0,0,50,25,1,0,0,0\n"  # centre (25, 12.5)
    folder = split(tmp_path, {"a": CAR + inside + "200,0,9,9,0,0,0,0\n5,5,0,9,0,0,0,0\n" + scored, "b": CAR})
    report = prepare(tmp_path, ["val"]).splits["val"]
    regions = "0.900000 0.800000 0.200000 0.400000\n0.250000 0.250000 0.500000 0.500000\n"
    assert (folder / "ignored" / "a.txt").read_text() == regions
    assert (folder / "ignored" / "b.txt").read_bytes() == b""
    assert (report.regions, report.regions_written, report.regions_kept) == (2, 2, None)
    assert report.left_out["ignored region"].count == 4


def test_a_split_prepared_without_ignored_regions_gets_them_and_its_labels_stay(tmp_path):
    folder = split(tmp_path, {"a": CAR + "0,0,50,25,0,0,0,0\n"})
    prepare(tmp_path, ["val"])
    whole = files(folder)
    shutil.rmtree(folder / "ignored")
    (folder / "ignored.sha256").unlink()
    report = prepare(tmp_path, ["val"]).splits["val"]
    assert (report.written, report.regions_written) == (0, 1)
    assert files(folder) == whole


def test_a_file_of_regions_that_someone_corrected_stays_and_one_that_was_lost_comes_back(tmp_path):
    folder = split(tmp_path, {"a": "0,0,50,25,0,0,0,0\n", "b": "0,0,50,25,0,0,0,0\n"})
    prepare(tmp_path, ["val"])
    (folder / "ignored" / "a.txt").write_text("0.5 0.5 0.1 0.1\n")
    (folder / "ignored" / "b.txt").unlink()
    report = prepare(tmp_path, ["val"])
    assert report.splits["val"].regions_written == 1
    assert (folder / "ignored" / "a.txt").read_text() == "0.5 0.5 0.1 0.1\n"
    assert report.notes[-1].startswith("VisDrone2019-DET-val/ignored/a.txt: the first of 1 files of ignored regions")
    assert prepare(tmp_path, ["val"], overwrite=True).splits["val"].regions_written == 1
    assert (folder / "ignored" / "a.txt").read_text() == (folder / "ignored" / "b.txt").read_text()


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


def test_a_picture_above_the_limit_of_pillow_is_refused_by_name(tmp_path, monkeypatch):
    split(tmp_path, {"a": CAR, "b": CAR})
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100 * 50 // 2 - 1)
    with pytest.raises(ValueError, match=r"2 of 2 images.*\n.*a\.jpg: more pixels than Pillow opens"):
        prepare(tmp_path, ["val"])


@pytest.mark.parametrize("file", ["images/b.jpg", "annotations/b.txt"])
def test_a_folder_named_like_a_file_is_refused_by_name(tmp_path, file):
    folder = split(tmp_path, {"a": CAR, "b": CAR})
    (folder / file).unlink()
    (folder / file).mkdir()
    with pytest.raises(ValueError, match=rf"1 of 2 images get no labels[^\n]*\n  {re.escape(str(folder / file))}: .+"):
        prepare(tmp_path, ["val"])


@pytest.mark.parametrize("file", ["images.txt", "labels/a.txt", "labels.sha256", "ignored/a.txt", "ignored.sha256"])
def test_a_folder_where_a_file_is_to_be_written_is_named(tmp_path, file):
    folder = split(tmp_path, {"a": CAR})
    (folder / file).mkdir(parents=True)
    with pytest.raises(OSError) as caught:
        prepare(tmp_path, ["val"])
    assert caught.value.filename == str(folder / file)


def test_an_error_names_twenty_files_at_most(tmp_path):
    split(tmp_path, {f"{number:02d}": "no row\n" for number in range(23)})
    with pytest.raises(ValueError) as caught:
        prepare(tmp_path, ["val"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert "23 of 23 images" in lines[0]
    assert "19.txt, line 1: 1 column" in lines[-2]
    assert lines[-1] == "  and 3 more"


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


def test_a_label_that_someone_corrected_stays_and_is_reported_until_it_is_overwritten_on_request(tmp_path):
    folder = split(tmp_path, {"a": CAR, "b": CAR, "c": CAR})
    prepare(tmp_path, ["val"])
    (folder / "labels.cache").write_bytes(b"what Ultralytics knows")
    for stem, content in ("b", "0 0.5 0.5 0.1 0.1\n"), ("c", ""):
        (folder / "labels" / f"{stem}.txt").write_text(content)
    for _ in range(2):
        report = prepare(tmp_path, ["val"])
        assert report.splits["val"].written == 0
        assert report.splits["val"].kept == Occurrences(2, "VisDrone2019-DET-val/labels/b.txt")
        assert report.notes == [
            "VisDrone2019-DET-val/labels/b.txt: the first of 2 label files that differ from the annotations, were not"
            " written by `prepare`, and stay"
        ]
        assert (folder / "labels" / "b.txt").read_text() == "0 0.5 0.5 0.1 0.1\n"
    (folder / "annotations" / "c.txt").write_text("")  # the annotation now agrees with the correction
    assert prepare(tmp_path, ["val"]).splits["val"].kept.count == 1
    assert (folder / "labels.cache").exists()
    report = prepare(tmp_path, ["val"], overwrite=True).splits["val"]
    assert (report.written, report.kept) == (1, None)
    assert (folder / "labels" / "b.txt").read_text() == CAR_LABEL
    assert not (folder / "labels.cache").exists()


def test_a_corrected_label_stays_when_its_annotation_changes_and_an_untouched_one_follows(tmp_path):
    folder = split(tmp_path, {"a": CAR, "b": CAR})
    prepare(tmp_path, ["val"])
    (folder / "labels" / "b.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    for stem in "ab":
        (folder / "annotations" / f"{stem}.txt").write_text(CAR.replace(",4,0", ",9,0"))
    report = prepare(tmp_path, ["val"]).splits["val"]
    assert (report.written, report.kept.count) == (1, 1)
    assert (folder / "labels" / "a.txt").read_text() == "8" + CAR_LABEL[1:]
    assert (folder / "labels" / "b.txt").read_text() == "0 0.5 0.5 0.1 0.1\n"
    (folder / "labels" / "b.txt").write_text(CAR_LABEL)  # the correction is taken back
    report = prepare(tmp_path, ["val"]).splits["val"]
    assert (report.written, report.kept) == (1, None)
    assert (folder / "labels" / "b.txt").read_text() == "8" + CAR_LABEL[1:]


@pytest.mark.parametrize("notes", [None, b"", b"\xff\n no digests", b"12  labels/a.txt\n"])
def test_labels_of_another_converter_stay_where_they_differ(tmp_path, notes):
    folder = split(tmp_path, {"a": CAR, "b": CAR})
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("3 0.25 0.7 0.3 0.6\n")
    if notes is not None:
        (folder / "labels.sha256").write_bytes(notes)
    report = prepare(tmp_path, ["val"]).splits["val"]
    assert (report.written, report.kept.count) == (1, 1)
    assert (folder / "labels" / "a.txt").read_text() == "3 0.25 0.7 0.3 0.6\n"
    assert prepare(tmp_path, ["val"]).splits["val"].kept.count == 1


def test_the_cache_stays_when_no_label_changes(tmp_path):
    folder = split(tmp_path, {"a": CAR})
    prepare(tmp_path, ["val"])
    (folder / "labels.cache").write_bytes(b"what Ultralytics knows")
    prepare(tmp_path, ["val"])
    assert (folder / "labels.cache").exists()


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
    path = ultralytics_data.check_file("data/VisDrone.yaml")
    assert Path(path).resolve() == ROOT / "data" / "VisDrone.yaml"
    assert Path(ultralytics_data.check_file("VisDrone.yaml")).parent.name == "datasets"
