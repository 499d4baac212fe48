"""The file of records through kills."""

import pytest

from yolo_attn.experiment import journal

RECORDS = [{"model": "a", "seed": 0}, {"model": "ä", "seed": 1, "score": None}]


@pytest.fixture
def file(tmp_path):
    for record in RECORDS:
        journal.append(tmp_path / "runs.jsonl", record)
    return tmp_path / "runs.jsonl"


def test_records_come_back_in_order(file):
    assert journal.read(file) == RECORDS
    assert len(file.read_text().splitlines()) == 2


def test_no_file_has_no_records(tmp_path):
    assert journal.read(tmp_path / "runs.jsonl") == []


@pytest.mark.parametrize("cut", [b"{", b'{"model": "b", "seed": 1}', b'{"model": "b", "se'])
def test_a_line_without_end_is_no_record_and_makes_way_for_the_next(file, cut):
    with file.open("ab") as lines:
        lines.write(cut)
    assert journal.read(file) == RECORDS
    journal.append(file, {"model": "c"})
    assert journal.read(file) == [*RECORDS, {"model": "c"}]


def test_a_line_that_is_no_record_is_named(file):
    with file.open("ab") as lines:
        lines.write(b"nonsense\n")
    with pytest.raises(ValueError, match=r"runs.jsonl:3: not a JSON record"):
        journal.read(file)


def test_a_number_that_json_does_not_have_is_refused(file):
    with pytest.raises(ValueError, match="JSON"):
        journal.append(file, {"score": float("nan")})
    assert journal.read(file) == RECORDS
