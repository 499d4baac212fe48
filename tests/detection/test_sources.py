"""Images, videos and folders as a stream of pictures, and what is said of files that hold none."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from yolo_attn.detection.sources import IMAGES, UnreadableError, files, pictures, read_image
from yolo_attn.visdrone.sizes import IMAGE_SUFFIXES


def test_a_video_gives_its_frames_and_a_broken_one_is_named(tmp_path, photographs):
    frame = cv2.resize(cv2.imread(str(photographs[1])), (64, 48))
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(frame)
    writer.release()
    (tmp_path / "cut.mp4").write_bytes(b"no video")
    broken, *frames = pictures([tmp_path / "cut.mp4", tmp_path / "film.avi"])
    assert [(picture.frame, picture.rate, picture.read().shape) for picture in frames] == [
        (n, 10.0, (48, 64, 3)) for n in (1, 2, 3)
    ]
    with pytest.raises(UnreadableError, match=r"cut\.mp4: no video"):
        broken.read()


def test_images_come_before_videos_each_by_name(tmp_path):
    for name in ("b.JPG", "a.mp4", "a.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in files(tmp_path)] == ["a.png", "b.JPG", "a.mp4"]
    assert [path.name for path in files(tmp_path, IMAGES)] == ["a.png", "b.JPG"]


def test_every_image_whose_size_the_evaluation_reads_can_be_detected_on():
    assert IMAGE_SUFFIXES <= IMAGES


def test_an_exif_rotation_is_applied_or_ignored_as_asked(tmp_path):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20] = 255  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 90 degrees clockwise: left becomes top
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    stored, rotated = read_image(tmp_path / "a.png", apply_exif=False), read_image(tmp_path / "a.png")
    assert stored.shape == (20, 40, 3) and stored[:, :20].all() and not stored[:, 20:].any()
    assert rotated.shape == (40, 20, 3) and rotated[:20].all() and not rotated[20:].any()


def png_header(width: int, height: int) -> bytes:
    """A PNG of one black pixel that says it has more."""
    chunks = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(4)), b"IEND"
    body = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jpg", b"", "an empty file"),
        ("text.jpg", b"no image", "no image that OpenCV can read"),
        ("huge.png", png_header(1 << 17, 1 << 17), "cannot be read as an image .*pixels"),
        ("folder.jpg", None, "a folder"),
        ("gone.jpg", ..., "No such file"),
    ],
)
def test_a_file_without_an_image_is_named_in_one_line(tmp_path, name, content, reason):
    path = tmp_path / name
    if content is None:
        path.mkdir()
    elif content is not ...:
        path.write_bytes(content)
    with pytest.raises(UnreadableError, match=reason) as error:
        read_image(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("gone", FileNotFoundError, "gone: not there; give an image or video"),
        ("notes.txt", ValueError, "notes.txt: no image or video by its name"),
        ("", FileNotFoundError, "holds no image or video"),
    ],
)
def test_a_source_of_no_pictures_is_refused(tmp_path, name, error, message):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(error, match=message):
        files(tmp_path / name)
