"""Folders of annotation and detection files."""

import numpy as np
import pytest

from yolo_attn.visdrone import annotations as annotation_format


@pytest.fixture
def folders(tmp_path):
    """Writes {stem: rows} twice, as the annotations and the detections, and returns both folders."""

    def write(annotations, detections):
        for kind, content in ("annotations", annotations), ("detections", detections):
            (tmp_path / kind).mkdir()
            for stem, rows in content.items():
                annotation_format.write(tmp_path / kind / f"{stem}.txt", np.reshape(rows, (-1, 8)))
        return tmp_path / "annotations", tmp_path / "detections"

    return write
