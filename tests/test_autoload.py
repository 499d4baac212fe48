"""The import hook, on a copy of the package that is not installed: what happens when something is in its way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What the .pth file does at interpreter start. An installed hook is off, and this one behind the working folder on the path.
START = (
    "import os, sys; os.environ.pop('YOLO_ATTN_AUTOLOAD'); sys.modules.pop('_yolo_attn_autoload', None);"
    "sys.path.insert(1, os.environ['SITE']); import _yolo_attn_autoload; _yolo_attn_autoload.start();"
)
KNOWS = "import ultralytics.nn.tasks as tasks; print('knows', hasattr(tasks, 'EMA'), hasattr(tasks.parse_model, '__wrapped__'));"
WARNING = "yolo_attn: the attention layers are not available"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder as site-packages would be."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "yolo_attn", folder / "yolo_attn", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "cfg", folder / "yolo_attn" / "cfg")
    shutil.move(folder / "yolo_attn" / "_autoload.py", folder / "_yolo_attn_autoload.py")
    return folder


def output(code: str, site: Path, folder: Path) -> str:
    """What a program prints whose interpreter started with the hook, run in that folder."""
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        cwd=folder,
        env={**os.environ, "SITE": str(site), "YOLO_ATTN_AUTOLOAD": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_parser_knows_the_layers_again_after_a_reload(site, tmp_path):
    code = "import importlib, ultralytics; importlib.reload(tasks); tasks.DetectionModel('yolov5n-ema.yaml', verbose=False);"
    loads = "print('load', hasattr(tasks.BaseModel.load, '__wrapped__'), hasattr(tasks.BaseModel.load.__wrapped__, '__wrapped__'))"
    printed = output(KNOWS + code + KNOWS + loads, site, tmp_path)
    assert printed.count("knows True True") == 2
    assert "load True False" in printed  # wrapped once
    assert WARNING not in printed


@pytest.mark.parametrize(
    "program",
    ["this is no Python", "print('the program ran'); raise SystemExit(3)"],
    ids=["broken", "a program of the user"],
)
def test_a_file_of_the_same_name_in_the_working_folder_is_not_run(site, tmp_path, program):
    (tmp_path / "yolo_attn.py").write_text(program)
    printed = output(KNOWS + "import importlib; importlib.reload(tasks)", site, tmp_path)
    assert "knows False False" in printed
    assert "the program ran" not in printed
    assert f"{WARNING}: {tmp_path / 'yolo_attn.py'} hides the package, rename that file." in printed


def test_a_package_of_the_same_name_in_the_working_folder_does_no_harm(site, tmp_path):
    (tmp_path / "yolo_attn").mkdir()
    (tmp_path / "yolo_attn" / "__init__.py").write_text("")
    printed = output(KNOWS, site, tmp_path)
    assert "knows False False" in printed
    assert printed.count(WARNING) == 1


@pytest.mark.parametrize("missing", ["plugin/parser.py", "layers"])
def test_a_partly_deleted_package_does_no_harm(site, tmp_path, missing):
    broken = tmp_path / "site"
    shutil.copytree(site, broken)
    path = broken / "yolo_attn" / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    printed = output(KNOWS + "tasks.DetectionModel('yolov8n.yaml', verbose=False)", broken, tmp_path)
    assert "knows False False" in printed
    assert printed.count(WARNING) == 1
    assert "Error" in printed  # the reason


def test_a_hook_that_outlives_its_package_is_silent(site, tmp_path):
    printed = output("sys.modules['yolo_attn'] = None;" + KNOWS, site, tmp_path)
    assert "knows False False" in printed
    assert WARNING not in printed


def test_the_package_and_the_hook_put_one_finder_in_place(site, tmp_path):
    count = "print('finders', sum(getattr(f, 'yolo_attn', False) for f in sys.meta_path));"
    reloaded = "import yolo_attn, importlib; importlib.reload(yolo_attn);"
    assert "finders 1" in output(reloaded + count, site, tmp_path)


RECIPE = "sys.argv.append('cfg=demo.yaml');"
FOUND = "from ultralytics.utils import checks; print('found', checks.check_yaml('demo.yaml', hard=False));"


def test_a_command_with_a_recipe_finds_it_before_the_parser_is_imported(site, tmp_path):
    found = f"found {site / 'yolo_attn' / 'cfg' / 'recipes' / 'demo.yaml'}"
    printed = output(RECIPE + "import ultralytics.cfg;" + FOUND + KNOWS, site, tmp_path)
    assert found in printed and "knows True True" in printed and WARNING not in printed


@pytest.mark.parametrize("first", ["ultralytics.nn.tasks", "ultralytics.engine.trainer", "ultralytics.models"])
def test_a_program_with_such_an_argument_may_import_what_it_likes_first(site, tmp_path, first):
    printed = output(RECIPE + f"import {first};" + KNOWS, site, tmp_path)
    assert "knows True True" in printed and WARNING not in printed
