"""cfg/ and data/ by bare name, and scale letters in paths that hold a digit before such a letter elsewhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from ultralytics.nn.tasks import yaml_model_load
from ultralytics.utils import checks
from ultralytics.utils.checks import check_file, check_yaml

from yolo_attn.plugin.files import find, find_data, is_shipped

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


@pytest.mark.parametrize("name", ["yolov5-ema.yaml", "yolov5s-ema.yaml", "cfg/yolov5-ema.yaml", "cfg/yolov5n-ema.yaml"])
def test_find_needs_nothing_but_itself(elsewhere, monkeypatch, name):
    monkeypatch.setattr(checks, "check_file", checks.check_file.__wrapped__)  # as if nobody had installed the plug-in
    assert find(name) == ROOT / "cfg" / "yolov5-ema.yaml"
    assert find("yolov5s.yaml").parts[-2:] == ("v5", "yolov5.yaml")


@pytest.mark.parametrize("name", ["aerial-demo.yaml", "data/aerial-demo.yaml"])
def test_a_data_file_is_found_without_the_plug_in_installed(elsewhere, monkeypatch, name):
    monkeypatch.setattr(checks, "check_file", checks.check_file.__wrapped__)
    assert find_data(name) == ROOT / "data" / "aerial-demo.yaml"
    assert find_data("coco8.yaml").parts[-2:] == ("datasets", "coco8.yaml")


def test_a_data_file_that_nobody_has_is_named(elsewhere):
    with pytest.raises(FileNotFoundError, match=r"^nobody\.yaml: no such data YAML here, nor among those that"):
        find_data("nobody.yaml")


def test_find_gives_a_file_of_the_user_as_it_is(elsewhere):
    (elsewhere / "yolov5s-ema.yaml").write_text("nc: 7\n")
    assert find("yolov5s-ema.yaml") == Path("yolov5s-ema.yaml")


@pytest.mark.parametrize("name", ["yolov5s.pt", "yolov5s", "models"])
def test_find_refuses_what_is_no_yaml(elsewhere, name):
    with pytest.raises(ValueError, match=f"^{name}: is no model YAML; give a file that ends in .yaml"):
        find(name)


def test_find_refuses_a_folder(elsewhere):
    (elsewhere / "folder.yaml").mkdir()
    with pytest.raises(ValueError, match=r"^folder\.yaml: is a folder; give a model YAML"):
        find("folder.yaml")


@pytest.mark.parametrize("name", ["nobody.yaml", "https://example.com/a.yaml"])
def test_find_says_that_a_file_is_missing(elsewhere, name):
    with pytest.raises(
        FileNotFoundError, match="no such model YAML here, nor among those that Ultralytics and yolo_attn bring"
    ):
        find(name)


@pytest.mark.parametrize("file", sorted((ROOT / "cfg").glob("*.yaml")), ids=lambda file: file.name)
def test_every_file_of_cfg_is_known_by_its_rows(file):
    model = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert is_shipped({**model, "nc": 3, "scale": "x", "yaml_file": "elsewhere/mine.yaml", "channels": 3})
    assert not is_shipped({**model, "head": model["head"][:-1]})


@pytest.mark.parametrize("model", [None, {}, "yolov5-p2.yaml", {"backbone": [], "head": []}])
def test_what_has_no_rows_is_not_shipped(model):
    assert not is_shipped(model)


def test_the_files_are_found_in_a_zip_file_and_the_copies_removed(elsewhere):
    with zipfile.ZipFile(elsewhere / "app.zip", "w") as archive:
        for path in (ROOT / "yolo_attn").rglob("*.py"):
            archive.write(path, path.relative_to(ROOT))
        for folder in ("cfg", "data"):
            for path in (ROOT / folder).glob("*.yaml"):
                archive.write(path, f"yolo_attn/{folder}/{path.name}")
    code = (
        "import sys; sys.path.insert(0, 'app.zip'); import yolo_attn; from ultralytics import YOLO;"
        "from yolo_attn.plugin.files import shipped_folder;"
        "print('rows', len(YOLO('yolov5n-ema.yaml').model.model), yolo_attn.__file__, shipped_folder().parent)"
    )
    environment = {**os.environ, "YOLO_ATTN_AUTOLOAD": "0", "TMPDIR": str(elsewhere), "TEMP": str(elsewhere)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, count, package, copies = next(line for line in done.stdout.splitlines() if line.startswith("rows")).split()
    assert count == "26"
    assert "app.zip" in package
    assert Path(copies).parent == elsewhere
    assert not Path(copies).exists()
