import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yolo_attn.visdrone import annotations
from yolo_attn.visdrone.annotations import NAMES, categories_of, read, write

CAR = [10, 20, 30, 40, 1, 4, 0, 1]


def saved(tmp_path, content):
    path = tmp_path / "0000001.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_class_names_are_those_of_visdrone_in_its_order():
    order = "pedestrian people bicycle car van truck tricycle awning-tricycle bus motor"
    assert " ".join(NAMES) == order


def test_the_classes_of_a_detector_are_told_by_name_whatever_their_order():
    names = {0: "Car", 1: "pedestrian", 2: "dog", 5: "Awning tricycle", 7: " awning_tricycle ", 8: "others", 9: "MOTOR"}
    assert categories_of(names) == {0: 4, 1: 1, 5: 8, 7: 8, 9: 10}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("10,20,30,40,1,4,0,1\n", [CAR]),
        ("10,20,30,40,1,4,0,1", [CAR]),
        ("10,20,30,40,1,4,0,1\r\n10,20,30,40,1,4,0,1\r\n", [CAR, CAR]),
        (b"\xef\xbb\xbf10,20,30,40,1,4,0,1\n", [CAR]),
        ("10,20,30,40,1,4,0,1,\n10,20,30,40,1,4,0,1,\n", [CAR, CAR]),
        ("10,20,30,40,1,4,0,1,\r\n", [CAR]),
        ("10,20,30,40,1,4,0,1, ,\n", [CAR]),
        ("\n10,20,30,40,1,4,0,1\n\n \t\n10,20,30,40,1,4,0,1\n\n", [CAR, CAR]),
        (" 10, 20,30 ,\t40,1,4,0,1 \n", [CAR]),
        ("10,20,30,40,1,4\n", [[10, 20, 30, 40, 1, 4, -1, -1]]),
        ("10,20,30,40,1,4,\n10,20,30,40,1,4,0,1\n", [[10, 20, 30, 40, 1, 4, -1, -1], CAR]),
        ("-1.5,+2,.5,4.,1e-3,4,-1,-1\n", [[-1.5, 2, 0.5, 4, 0.001, 4, -1, -1]]),
    ],
    ids=[
        "plain",
        "no-last-newline",
        "crlf",
        "byte-order-mark",
        "trailing-comma",
        "trailing-comma-crlf",
        "two-trailing-commas",
        "blank-lines",
        "spaces",
        "six-columns",
        "six-and-eight-columns",
        "number-forms",
    ],
)
def test_every_accepted_form_reads_as_the_same_rows(tmp_path, content, expected):
    np.testing.assert_array_equal(read(saved(tmp_path, content)), np.array(expected, dtype=float))


@pytest.mark.parametrize("content", ["", "\n", "\r\n \r\n", b"\xef\xbb\xbf"], ids=["empty", "newline", "blank", "mark"])
def test_a_file_without_boxes_reads_as_no_rows(tmp_path, content):
    rows = read(saved(tmp_path, content))
    assert rows.shape == (0, 8)
    assert rows.dtype == np.float64


GOOD = "10,20,30,40,1,4,0,1\n"


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        (GOOD + "10,20,30,40,1,4,0\n", 2, "7 columns"),
        ("\n" + GOOD + "10,20,30,40,1,4,0,1,7\n", 3, "9 columns"),
        ("car\n", 1, "1 column"),
        (",,,\n", 1, "1 column"),
        ("10 20 30 40 1 4 0 1\n", 1, "1 column"),
        (GOOD * 3 + "10,20,,40,1,4,0,1\n", 4, "width is ''"),
        ("10,20,30,forty,1,4,0,1\n", 1, "height is 'forty'"),
        ("nan,20,30,40,1,4,0,1\n", 1, "left is 'nan'"),
        ("10,20,30,40,1e999,4,0,1\n", 1, "score is '1e999'"),
        ("10,20,30,40,1,1_0,0,1\n", 1, "category is '1_0'"),
        ("1-0,20,30,40,1,4,0,1\n", 1, "left is '1-0'"),
        ("10,20,30,40,1,4,0,٣\n", 1, "occlusion is"),
        (b"\xff0,20,30,40,1,4,0,1\n", 1, "left is"),
        ("10,20,30,40,1,4,0,1\r10,20,30,40,1,4,0,1\n", 1, "15 columns"),
    ],
)
def test_anything_else_is_refused_with_file_line_and_finding(tmp_path, content, line, found):
    with pytest.raises(ValueError, match=rf"0000001\.txt, line {line}: {found}"):
        read(saved(tmp_path, content))


LINES = st.text(alphabet="0123456789+-.eE,", max_size=12) | st.lists(
    st.integers(-9, 99).map(str)
    | st.sampled_from(["1.5", ".5", "5.", "1e2", "", "-", "e", "1e999", " 3", "1_0", "inf"]),
    min_size=5,
    max_size=9,
).map(",".join)


@given(st.lists(LINES, max_size=3), st.sampled_from(["\n", "\r\n", ",\n", "\n\n"]), st.booleans())
@settings(max_examples=400, deadline=None)
def test_the_fast_reader_reads_what_the_careful_one_reads_or_leaves_it_alone(lines, end, ended):
    content = (end.join(lines) + end * ended).encode()
    rows = annotations._read_clean(content)
    if rows is not None:
        np.testing.assert_array_equal(rows, annotations._read_any(content, "file"))


def test_the_fast_reader_takes_the_files_visdrone_ships():
    content = b"684,8,273,116,0,0,0,0\r\n406,119,265,70,1,4,0,2,\r\n"
    np.testing.assert_array_equal(
        annotations._read_clean(content), [[684, 8, 273, 116, 0, 0, 0, 0], [406, 119, 265, 70, 1, 4, 0, 2]]
    )


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(FINITE, min_size=8, max_size=8), max_size=4))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_reads_back_bit_for_bit(tmp_path, rows):
    rows = np.array(rows).reshape(-1, 8)
    write(tmp_path / "a.txt", rows)
    np.testing.assert_array_equal(read(tmp_path / "a.txt"), rows)


def test_whole_numbers_are_written_without_a_point_and_others_with_the_decimals_asked_for(tmp_path):
    write(tmp_path / "a.txt", [[10, 20.126, 30, 40, 0.98765, 4, -1, -1]], decimals=2)
    assert (tmp_path / "a.txt").read_bytes() == b"10,20.13,30,40,0.99,4,-1,-1\n"


@pytest.mark.parametrize("rows", [np.zeros((2, 6)), np.zeros(8), np.full((1, 8), np.nan)], ids=["6", "flat", "nan"])
def test_rows_that_could_not_be_read_back_are_not_written(tmp_path, rows):
    with pytest.raises(ValueError, match=r"\(N, 8\) finite numbers"):
        write(tmp_path / "a.txt", rows)
    assert not (tmp_path / "a.txt").exists()
