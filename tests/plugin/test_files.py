"""cfg/ and data/ by bare name, and scale letters in paths that hold a digit before such a letter elsewhere."""

from pathlib import Path

import pytest
from ultralytics.nn.tasks import yaml_model_load
from ultralytics.utils.checks import check_file, check_yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["yolov5s-ema.yaml", "cfg/yolov5s-ema.yaml", "yolov5-ema.yaml"])
def test_a_model_file_is_found_from_any_folder(elsewhere, name):
    assert Path(check_yaml(name)) == ROOT / "cfg" / "yolov5-ema.yaml"


@pytest.mark.parametrize("name", ["aerial-demo.yaml", "data/aerial-demo.yaml"])
def test_a_data_file_is_found_from_any_folder(elsewhere, name):
    assert Path(check_file(name)) == ROOT / "data" / "aerial-demo.yaml"


@pytest.mark.parametrize("local", ["yolov5s-ema.yaml", "yolov5-ema.yaml"])
def test_a_local_file_of_that_name_wins(elsewhere, local):
    (elsewhere / local).write_text("nc: 7\n")
    assert yaml_model_load("yolov5s-ema.yaml")["nc"] == 7


@pytest.mark.parametrize("folder", ["exp2large", "run5n/models", "py3s"])
def test_a_digit_before_a_scale_letter_in_the_folder_is_no_scale(tmp_path, folder):
    path = tmp_path / folder / "yolov5-ema.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("nc: 7\n")
    loaded = yaml_model_load(path.with_name("yolov5m-ema.yaml"))
    assert (loaded["nc"], loaded["scale"]) == (7, "m")


def test_stock_files_are_found_as_before(elsewhere):
    assert Path(check_yaml("yolov5.yaml")).parent.name == "v5"
    assert yaml_model_load("yolov8x.yaml")["scale"] == "x"


@pytest.mark.parametrize("name", ["yolov5s-nothing.yaml", "coco8n.yaml"])
def test_a_file_that_nobody_has_is_missing_as_before(elsewhere, name):
    assert not check_yaml(name, hard=False)
    with pytest.raises(FileNotFoundError, match=name):
        check_file(name)
