"""Data sets of a few blank pictures."""

import pytest
import yaml
from PIL import Image


@pytest.fixture
def data_set(tmp_path):
    """Writes pictures {name: (size, label lines or None)} of the training split and a data YAML; returns the YAML."""

    def write(pictures, **keys):
        for part in ("images", "labels"):
            (tmp_path / "set" / part / "train").mkdir(parents=True, exist_ok=True)
        for name, (size, lines) in pictures.items():
            Image.new("RGB", size).save(tmp_path / "set" / "images" / "train" / f"{name}.png")
            if lines is not None:
                (tmp_path / "set" / "labels" / "train" / f"{name}.txt").write_text("\n".join(lines))
        content = {"path": str(tmp_path / "set"), "train": "images/train", "val": "images/train", "names": ["a", "b"]}
        (tmp_path / "data.yaml").write_text(yaml.safe_dump(content | keys))
        return tmp_path / "data.yaml"

    return write


# Boxes of 20 x 80, 50 x 50 and 4 x 4 pixels.
BOXES = {
    "wide": ((200, 100), ["0 0.5 0.5 0.1 0.8", "1 0.5 0.5 0.25 0.5"]),
    "tall": ((80, 160), ["0 0.5 0.5 0.05 0.025"]),
    "empty": ((300, 300), []),
}
