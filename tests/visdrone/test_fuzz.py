"""Random damage to annotation files: rows are read, or the file and the line are named."""

import re
import warnings

import numpy as np
import pytest
from PIL import Image

from yolo_attn.visdrone.annotations import read
from yolo_attn.visdrone.evaluation.evaluate import evaluate_submission
from yolo_attn.visdrone.evaluation.submission import Frame, Submission
from yolo_attn.visdrone.label_files import LabelWriter
from yolo_attn.visdrone.prepared_files import PreparedFiles

TOKENS = [
    "",
    "0",
    "1",
    "12",
    "-1",
    "0.5",
    "1e3",
    "1e308",
    "-1e308",
    "9" * 25,
    "nan",
    "inf",
    "0x1",
    "1_0",
    "+",
    "\u0663",
    '"1"',
]
GLUE = [",", ",,", ";", " ", "\t", "\n", "\r\n", "\r", "\0", "\ufeff", "\u2028", "\x85", "#", "-", ".", "e"]


def valid_file(rng: np.random.Generator) -> bytes:
    count = rng.integers(0, 6)
    rows = np.column_stack([rng.integers(-5, 110, (count, 4)), rng.integers(0, 2, count), rng.integers(0, 12, count)])
    rows = np.column_stack([rows, rng.integers(0, 3, (count, 2))])
    ends = [b"\n", b"\r\n", b",\n", b"\n\n"]
    return ends[rng.integers(4)].join(b",".join(b"%d" % value for value in row) for row in rows.tolist())


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    for _ in range(rng.integers(0, 4)):
        start = int(rng.integers(len(content) + 1))
        end = min(len(content), start + int(rng.choice([0, 0, 1, 2, 9])))
        choices = [*(token.encode() for token in TOKENS), *(glue.encode() for glue in GLUE), rng.bytes(2)]
        content = content[:start] + choices[rng.integers(len(choices))] + content[end:]
    return content


@pytest.mark.parametrize("files", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_annotation_files_give_labels_or_a_sentence_with_file_and_line(tmp_path, files):
    for part in ("images", "annotations"):
        (tmp_path / part).mkdir()
    Image.new("RGB", (100, 50)).save(tmp_path / "images" / "a.jpg")
    path = tmp_path / "annotations" / "a.txt"
    labels, ignored = (PreparedFiles.open(tmp_path, kind, overwrite=False) for kind in ("labels", "ignored"))
    writer = LabelWriter(folder=tmp_path, labels=labels, ignored=ignored)
    rng = np.random.default_rng(files)
    outcomes = {"labels": 0, "refused": 0}
    for _ in range(files):
        content = damaged(valid_file(rng), rng)
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (outcome,) = writer.write([("a.jpg", "a.txt")])
        outcomes["refused" if outcome.refused else "labels"] += 1
        if outcome.refused:
            assert re.match(rf"{re.escape(str(path))}, line [0-9]+: .+", outcome.refused), content
            assert "\n" not in outcome.refused, content
        try:
            rows = read(path)
        except ValueError as error:
            assert re.match(rf"{re.escape(str(path))}, line [0-9]+: .+", str(error)), content
            continue
        assert rows.shape[1] == 8, content
        assert np.isfinite(rows).all(), content
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            evaluate_submission(Submission((Frame("a", 100, 50, rows, rows[::-1]),), ()))
    assert min(outcomes.values()) > files / 10, outcomes
