"""Image sizes from headers and from CSV, and what is refused."""

import contextlib
import io
import struct

import numpy as np
import pytest
from PIL import Image

from yolo_attn.visdrone.sizes import image_size, read_sizes


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
        ("image,width,height\na.jpg,4,5\nC:\\val\\a.png,4,5\n", "two images are called a"),
        ("image,width,height\n" + "a" * 140_000 + ",4,5\n", "sizes.csv:2: no CSV row .*field limit"),
        ("a" * 140_000, "sizes.csv:1: no CSV row .*field limit"),
        ("image,width,height\na.jpg,9999999,5\n", "at most 1,000,000"),
        ("image,width,height\na.jpg," + "9" * 5000 + ",5\n", "at most 1,000,000"),
        ("image,width,height\na.jpg,٣,5\n", "whole numbers"),
        ("width,height,image\n4,5\n", "sizes.csv:2: no image is named"),
        (b"\xff\xfeimage,width,height\n", "first line must name the columns"),
        ("image,width,height\0\na,4,5\n", "sizes.csv"),
    ],
    ids=[
        "empty",
        "columns",
        "short row",
        "zero",
        "twice",
        "twice in folders",
        "long field",
        "long header",
        "huge",
        "5000 digits",
        "other digits",
        "no name",
        "not utf-8",
        "nul",
    ],
)
def test_a_csv_file_that_gives_no_sizes_is_refused(tmp_path, content, message):
    (tmp_path / "sizes.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        read_sizes(tmp_path / "sizes.csv")


@pytest.mark.parametrize(
    "name", ["a.jpg", "images/a.jpg", r"images\a.jpg", r"D:\VisDrone\val\images\a.jpg", r"\\server\share\a.jpg"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_csv_may_name_images_by_paths_of_any_system(tmp_path, name, end):
    (tmp_path / "sizes.csv").write_bytes(end.join(["image,width,height", f"{name},4,5", ""]).encode())
    assert read_sizes(tmp_path / "sizes.csv") == {"a": (4, 5)}


def header_of_a_picture(width, height) -> bytes:
    """A BMP file without its pixels."""
    content = io.BytesIO()
    Image.new("1", (1, 1)).save(content, "BMP")
    return content.getvalue()[:18] + struct.pack("<ii", width, height) + content.getvalue()[26:]


def test_a_picture_above_the_limit_of_pillow_is_named(tmp_path):
    (tmp_path / "a.bmp").write_bytes(header_of_a_picture(20_000, 10_000))
    with pytest.raises(ValueError, match=r"a\.bmp: more pixels than Pillow opens"):
        read_sizes(tmp_path)


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_a_picture_at_which_pillow_warns_is_named_where_warnings_are_errors(tmp_path):
    (tmp_path / "a.bmp").write_bytes(header_of_a_picture(10_000, 9_000))
    with pytest.raises(ValueError, match=r"a\.bmp: more pixels than Pillow opens"):
        read_sizes(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_at_which_pillow_only_warns_has_a_size(tmp_path):
    (tmp_path / "a.bmp").write_bytes(header_of_a_picture(10_000, 9_000))
    assert read_sizes(tmp_path) == {"a": (10_000, 9_000)}


def test_a_folder_named_like_an_image_is_named(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(ValueError, match=r"a\.jpg: no readable image \(.+\)"):
        read_sizes(tmp_path)


@pytest.mark.filterwarnings("ignore")  # Pillow describes the damage
def test_a_damaged_header_ends_in_a_sentence(tmp_path):
    rng = np.random.default_rng(0)
    for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp"):
        path = tmp_path / f"a{suffix}"
        Image.new("RGB", (40, 30)).save(path)
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for place in rng.integers(0, min(len(damaged), 200), 4):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged[: rng.integers(len(damaged))])
            with contextlib.suppress(ValueError):
                assert min(image_size(path)) >= 1


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
