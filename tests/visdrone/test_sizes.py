"""Image sizes from headers and from CSV, and what is refused."""

import pytest
from PIL import Image

from yolo_attn.visdrone.sizes import read_sizes


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".png"])
def test_sizes_come_from_the_image_header(tmp_path, suffix):
    path = tmp_path / f"0000001.d{suffix}"
    Image.new("RGB", (321, 123)).save(path)
    half = path.read_bytes()
    path.write_bytes(half[: max(200, len(half) // 2)])  # pixels are missing: only the header can have been read
    (tmp_path / "notes.txt").write_text("not an image")
    assert read_sizes(tmp_path) == {"0000001.d": (321, 123)}


def test_sizes_come_from_a_csv_file(tmp_path):
    path = tmp_path / "sizes.csv"
    path.write_text("\ufeffimage,width,height\r\na.jpg,960,540\r\nb.c,10,20\r\n", encoding="utf-8")
    assert read_sizes(path) == {"a": (960, 540), "b.c": (10, 20)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "first line must name the columns image,width,height; found an empty file"),
        ("name,w,h\na,1,1\n", "found name,w,h"),
        ("image,width,height\na.jpg,960\n", "sizes.csv:2: .*at least 1; found '960' and None"),
        ("image,width,height\na.jpg,0,5\n", "sizes.csv:2: .*found '0' and '5'"),
        ("image,width,height\na.jpg,4,5\na.png,4,5\n", "two images are called a"),
    ],
    ids=["empty", "columns", "short row", "zero", "twice"],
)
def test_a_csv_file_that_gives_no_sizes_is_refused(tmp_path, content, message):
    (tmp_path / "sizes.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_sizes(tmp_path / "sizes.csv")


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no image"):
        read_sizes(tmp_path)


def test_a_broken_image_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"a\.jpg: no readable image"):
        read_sizes(tmp_path)


def test_missing_sizes_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: not there; give the folder of images, or a CSV file"):
        read_sizes(tmp_path / "nowhere")
