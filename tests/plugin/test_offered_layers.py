"""Layers that a file or an installed package offers: found by name, kept in checkpoints, refused in one sentence."""

import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from ultralytics import YOLO, utils
from ultralytics.nn import tasks

from yolo_attn import layer_files
from yolo_attn.checking.check import check
from yolo_attn.layers import LAYERS
from yolo_attn.plugin.offered_layers import find_layer

CODE = """
from torch import nn

class Helper(nn.Module):
    def forward(self, x):
        return {factor} * x

class Mine(nn.Module):
    def __init__(self, channels, power: int = 1):
        super().__init__()
        self.helper, self.power = Helper(), power

    def forward(self, x):
        return self.helper(x) ** self.power
"""
ROWS = {
    "nc": 2,
    "layers": "my_layers.py",
    "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Mine", [2]]],
    "head": [[[1], 1, "Detect", ["nc"]]],
}


@pytest.fixture(autouse=True)
def no_trace():
    """Forget every layer and every file that a test brought in."""
    known, modules = dict(LAYERS), set(sys.modules)
    yield
    for name in LAYERS.keys() - known.keys():
        del LAYERS[name]
        vars(tasks).pop(name, None)
    for name in [name for name in sys.modules if name.startswith("yolo_attn.layer_files.") and name not in modules]:
        del sys.modules[name]
        vars(layer_files).pop(name.rpartition(".")[2], None)


@pytest.fixture
def model_yaml(tmp_path) -> Path:
    (tmp_path / "my_layers.py").write_text(CODE.format(factor=3), encoding="utf-8")
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(ROWS), encoding="utf-8")
    return tmp_path / "model.yaml"


def test_a_yaml_names_a_file_beside_it_and_its_rows_the_classes(model_yaml):
    row = YOLO(model_yaml).model.model[1]
    assert (type(row).__module__, row.power) == ("yolo_attn.layer_files.my_layers", 2)
    assert torch.equal(row(torch.full((1, 8, 2, 2), 2.0)), torch.full((1, 8, 2, 2), 36.0))
    assert "Helper" not in LAYERS


def test_the_environment_names_files_for_every_yaml(model_yaml, monkeypatch):
    monkeypatch.setenv("YOLO_ATTN_LAYERS", str(model_yaml.with_name("my_layers.py")))
    model = {key: value for key, value in ROWS.items() if key != "layers"}
    assert tasks.DetectionModel(model, verbose=False).model[1].power == 2


def test_a_checkpoint_finds_the_copy_beside_it(model_yaml, tmp_path):
    run = tmp_path / "run" / "weights"
    run.mkdir(parents=True)
    torch.save({"model": YOLO(model_yaml).model}, run / "last.pt")
    model_yaml.with_name("my_layers.py").rename(run.parent / "my_layers.py")
    forget()
    row = YOLO(run / "last.pt").model.model[1]
    assert Path(sys.modules[type(row).__module__].__file__) == run.parent / "my_layers.py"


def test_a_checkpoint_without_its_file_is_refused_in_one_sentence(model_yaml, tmp_path):
    torch.save({"model": YOLO(model_yaml).model}, tmp_path / "best.pt")
    model_yaml.with_name("my_layers.py").unlink()
    forget()
    with pytest.raises(
        ImportError, match=r"defined in my_layers.py, which was not found; put that file beside the checkpoint"
    ):
        YOLO(tmp_path / "best.pt")


def forget() -> None:
    """Be as a process that has not imported the file."""
    LAYERS.pop("Mine", None)
    vars(tasks).pop("Mine", None)
    del sys.modules["yolo_attn.layer_files.my_layers"]


def test_a_file_that_was_edited_is_read_again(model_yaml):
    YOLO(model_yaml)
    model_yaml.with_name("my_layers.py").write_text(CODE.format(factor=50), encoding="utf-8")
    assert YOLO(model_yaml).model.model[1](torch.ones(1, 8, 1, 1)).max() == 2500


def test_another_file_of_the_same_name_is_refused(model_yaml, tmp_path):
    YOLO(model_yaml)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "my_layers.py").write_text(CODE.format(factor=50), encoding="utf-8")
    with pytest.raises(ValueError, match=r"differs from .*my_layers.py, which is in use under the same name"):
        layer_files.load(tmp_path / "other" / "my_layers.py")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("my_layers.py", "1 +", r"my_layers.py: cannot be imported \(SyntaxError: invalid syntax"),
        ("my_layers.py", "import no_such_package", "cannot be imported .*No module named 'no_such_package'"),
        ("my_layers.py", "x = 1", "defines no layer; a layer is a class derived from torch.nn.Module"),
        ("my.layers.py", "x = 1", "has no other dot"),
    ],
)
def test_a_file_without_usable_layers_is_refused(tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        tasks.DetectionModel({**ROWS, "layers": name, "yaml_file": str(tmp_path / "model.yaml")}, verbose=False)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"gone.py: no such file; `layers:` and YOLO_ATTN_LAYERS name Python files"
    ):
        tasks.DetectionModel({**ROWS, "layers": "gone.py", "yaml_file": str(tmp_path / "model.yaml")}, verbose=False)


def test_no_file_is_executed_where_only_known_classes_are_read(model_yaml, monkeypatch):
    monkeypatch.setattr(utils, "SAFE_LOAD", True)
    with pytest.raises(ValueError, match=r"my_layers.py would be executed, which ULTRALYTICS_SAFE_LOAD=1 forbids"):
        YOLO(model_yaml)
    assert "yolo_attn.layer_files.my_layers" not in sys.modules


def test_check_executes_a_file_only_when_asked(model_yaml):
    text = model_yaml.read_text(encoding="utf-8")
    (finding,) = check(text)
    assert "my_layers.py is Python, which nothing runs unasked" in finding.message
    assert "yolo_attn.layer_files.my_layers" not in sys.modules
    assert check(text, runs_layers_beside=model_yaml) == []


def test_a_name_that_is_ultralytics_own_stays_so(model_yaml, caplog):
    code = CODE.format(factor=3) + "\nclass Conv(nn.Module):\n    pass\n"
    model_yaml.with_name("my_layers.py").write_text(code, encoding="utf-8")
    assert type(YOLO(model_yaml).model.model[0]) is tasks.Conv


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Offer layers as an installed package does: a module and the metadata of its distribution."""

    def install(entry: str, code: str) -> None:
        (tmp_path / "offering.py").write_text(code, encoding="utf-8")
        metadata = tmp_path / "offering-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: offering\nVersion: 1.0\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text(f"[yolo_attn.layers]\n{entry}\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        sys.modules.pop("offering", None)

    return install


def test_a_package_offers_a_layer_by_its_entry_point(installed):
    installed("Mine = offering:Mine", CODE.format(factor=3))
    model = {key: value for key, value in ROWS.items() if key != "layers"}
    row = tasks.DetectionModel(model, verbose=False).model[1]
    assert type(row).__module__ == "offering"
    assert find_layer("Mine") is type(row)


def test_a_package_is_not_imported_for_the_names_of_others(installed):
    installed("Mine = offering:Mine", CODE.format(factor=3))
    assert find_layer("EMA") is LAYERS["EMA"]
    assert find_layer("Conv") is find_layer("NoSuchLayer") is None
    assert "offering" not in sys.modules


@pytest.mark.parametrize(
    ("entry", "code", "sentence"),
    [
        ("Mine = offering:Mine", "import no_such", "offering offers Mine as offering:Mine, which cannot be imported"),
        ("Mine = offering:Other", "class Other: pass", "the entry point is to have the name of the class"),
        ("Mine = offering:Mine", "class Mine: pass", "register takes a class derived from torch.nn.Module"),
    ],
)
def test_a_package_that_offers_no_layer_is_named(installed, entry, code, sentence):
    installed(entry, code)
    with pytest.raises(ValueError, match=sentence):
        find_layer("Mine")


def test_a_layer_of_a_file_stands_inside_a_block(model_yaml, monkeypatch):
    rows = [ROWS["backbone"][0], [-1, 1, "C3+Mine(2)", [8]]]
    model = tasks.DetectionModel({**ROWS, "backbone": rows, "yaml_file": str(model_yaml)}, verbose=False).model
    assert [m.power for m in model[1].modules() if type(m).__name__ == "Mine"] == [2]
    forget()
    monkeypatch.setenv("YOLO_ATTN_LAYERS", str(model_yaml.with_name("my_layers.py")))
    offered = {key: value for key, value in ROWS.items() if key != "layers"}
    assert tasks.DetectionModel({**offered, "backbone": rows}, verbose=False).model[1].np > 0


def test_rezero_takes_a_layer_of_a_file(model_yaml):
    rows = [ROWS["backbone"][0], [-1, 1, "ReZero", ["Mine", 2]]]
    model = tasks.DetectionModel({**ROWS, "backbone": rows, "yaml_file": str(model_yaml)}, verbose=False).model
    assert any(type(m).__name__ == "Mine" for m in model[1].modules())
    assert isinstance(model[1], nn.Module)
