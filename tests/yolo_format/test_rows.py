"""Rows of label files and of files of ignored regions."""

from pathlib import Path

import numpy as np
import pytest

from yolo_attn.yolo_format.rows import beside, corners, fractions, read_labels, read_regions, rows_text


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("set/images/train/a.b.jpg", "set/ignored/train/a.b.txt"),
        ("images/images/a.png", "images/ignored/a.txt"),
        ("pictures/a.png", "pictures/a.txt"),
    ],
)
def test_the_last_folder_called_images_makes_way_as_it_does_for_labels(tmp_path, image, expected):
    assert beside(tmp_path / image, "ignored") == tmp_path / expected


def test_rows_are_read_back_with_six_decimals(tmp_path):
    labels = np.array([[9, 0.5, 1 / 3, 0.25, 1], [0, 0, 0, 0, 0]])
    (tmp_path / "a.txt").write_text(rows_text(labels))
    np.testing.assert_allclose(read_labels(tmp_path / "a.txt"), labels, atol=5e-7)
    (tmp_path / "a.txt").write_text(rows_text(labels[:, 1:]))
    np.testing.assert_allclose(read_regions(tmp_path / "a.txt"), labels[:, 1:], atol=5e-7)


def test_crlf_a_byte_order_mark_and_blank_lines_are_accepted(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf3 0.1 0.2 0.3 0.4\r\n\r\n")
    assert read_labels(tmp_path / "a.txt").tolist() == [[3, 0.1, 0.2, 0.3, 0.4]]
    (tmp_path / "a.txt").write_bytes(b"")
    assert read_labels(tmp_path / "a.txt").shape == (0, 5)


@pytest.mark.parametrize(
    "row", ["0 0.1 0.1 0.2 0.1 0.2 0.2", "0.5 0.5 0.1 0.1", "1.5 0 0 0 0", "-1 0 0 0 0", "inf 0 0 0 0", "0 9 9 9 9"]
)
def test_polygons_and_damaged_labels_are_refused_with_file_and_line(tmp_path, row):
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{row}\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 2: .*a row is class x y width height"):
        read_labels(Path(tmp_path / "a.txt"))


def test_fractions_of_a_box_are_centre_and_sides():
    box = np.array([[10.0, 20, 30, 60]])
    np.testing.assert_allclose(fractions(box, 100, 200), [[0.2, 0.2, 0.2, 0.2]])
    np.testing.assert_allclose(corners(fractions(box, 100, 200), 100, 200), box)
