"""What pip puts in place and takes away again, in an environment of its own beside the packages of this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KNOWS = "import ultralytics.nn.tasks as tasks; print('knows', hasattr(tasks, 'EMA'), 'yolo_attn' in __import__('sys').modules)"


class Environment:
    def __init__(self, folder: Path):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin" / "python"
        self.folder = folder
        self.site = Path(self.run("-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip())
        (self.site / "aa_base.pth").write_text(
            "".join(path + "\n" for path in sys.path if path.endswith("site-packages"))
        )

    def run(self, *arguments, **env) -> str:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | env
        done = subprocess.run(
            [self.python, *map(str, arguments)], cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def pip(self, *arguments) -> None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            *map(str, arguments),
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run(command, check=True, env={**os.environ, "PIP_NO_INDEX": "1"})


@pytest.fixture(scope="module", params=["regular", pytest.param("editable", marks=pytest.mark.slow)])
def installed(request, tmp_path_factory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp(request.param))
    source = ["-e", ROOT] if request.param == "editable" else [ROOT]
    environment.pip("install", "--no-deps", "--no-build-isolation", *source)
    return environment


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Environment:
    return Environment(tmp_path_factory.mktemp("bare"))


def test_a_bare_start_prints_nothing_and_imports_nothing_but_the_hook(installed, bare):
    assert installed.run("-c", "pass") == ""
    modules = "import sys; print(*sys.modules)"
    added = set(installed.run("-c", modules).split()) - set(bare.run("-c", modules).split())
    assert added == {"_yolo_attn_autoload"}
    armed = installed.run("-c", "import sys; print(getattr(sys.meta_path[0], 'yolo_attn', False))")
    assert armed.strip() == "True"


def test_the_stock_package_knows_the_layers_without_an_import(installed):
    assert "knows True True" in installed.run("-c", KNOWS)


def test_the_opt_out_leaves_ultralytics_alone_until_the_package_is_imported(installed):
    assert "knows False False" in installed.run("-c", KNOWS, YOLO_ATTN_AUTOLOAD="0")
    assert "knows True True" in installed.run("-c", "import yolo_attn;" + KNOWS, YOLO_ATTN_AUTOLOAD="0")


def test_the_files_travel_and_build_by_bare_name(installed):
    code = (
        "from ultralytics import YOLO; from ultralytics.utils.checks import check_file;"
        "print('rows', len(YOLO('yolov5n-ema.yaml').model.model), check_file('aerial-demo.yaml').endswith('aerial-demo.yaml'))"
    )
    assert "rows 26 True" in installed.run("-c", code)


@pytest.mark.parametrize("editable", [False, True], ids=["regular", "editable"])
def test_uninstalling_leaves_nothing_behind(bare, editable):
    before = sorted(path.name for path in bare.site.iterdir())
    bare.pip("install", "--no-deps", "--no-build-isolation", *(["-e"] if editable else []), ROOT)
    assert {path.name for path in bare.site.glob("*yolo_attn_autoload.*")} == {
        "yolo_attn_autoload.pth",
        "yolo_attn_autoload.start",
        "_yolo_attn_autoload.py",
    }
    bare.pip("uninstall", "--yes", "yolo-attn")
    assert sorted(path.name for path in bare.site.iterdir()) == before


def test_a_pth_file_without_its_module_is_silent(bare):
    stale = bare.site / "yolo_attn_autoload.pth"
    stale.write_text((ROOT / "yolo_attn" / "_autoload.pth").read_text())
    try:
        assert bare.run("-c", "pass") == ""
    finally:
        stale.unlink()


def test_a_pth_line_is_read_by_people():
    comment, line = (ROOT / "yolo_attn" / "_autoload.pth").read_text().splitlines()
    assert comment.startswith("# ")
    assert "YOLO_ATTN_AUTOLOAD=0" in comment
    assert "exec" not in line
    assert ":=" not in line


@pytest.mark.parametrize(
    "imports",
    [
        "import yolo_attn, ultralytics.nn.tasks",
        "import ultralytics.nn.tasks, yolo_attn",
        "import yolo_attn, importlib; importlib.reload(yolo_attn)",
    ],
    ids=["before", "after", "twice"],
)
def test_importing_the_package_registers_without_an_installation(bare, imports):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {imports}; {KNOWS}; print(tasks.parse_model.__wrapped__.__module__)"
    out = bare.run("-c", code)
    assert "knows True True" in out
    assert "ultralytics.nn.tasks" in out


def test_start_up_entry_point_obeys_the_opt_out(bare):
    entry = (ROOT / "yolo_attn" / "_autoload.start").read_text().strip()
    assert entry == "_yolo_attn_autoload:start"
    folder = bare.folder / "hook"
    folder.mkdir()
    shutil.copy(ROOT / "yolo_attn" / "_autoload.py", folder / "_yolo_attn_autoload.py")
    code = (
        f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]; from _yolo_attn_autoload import start; start(); {KNOWS};"
        "import yolo_attn; print('then', hasattr(tasks, 'EMA'))"
    )
    assert "knows False False" in (out := bare.run("-c", code, YOLO_ATTN_AUTOLOAD="0"))
    assert "then True" in out
    assert "knows True True" in bare.run("-c", code)


def test_the_example_package_installs_and_offers_its_layer(installed, tmp_path):
    source = shutil.copytree(ROOT / "docs" / "examples" / "layer-package", tmp_path / "package")  # pip builds in place
    installed.pip("install", "--no-deps", "--no-build-isolation", source)
    rows = "backbone: [[-1, 1, Conv, [8, 3, 2]], [-1, 1, SquareGate, [0.5]]]\nhead: [[[1], 1, Detect, [nc]]]\n"
    (tmp_path / "model.yaml").write_text("nc: 2\n" + rows, encoding="utf-8")
    code = f"from ultralytics import YOLO; m = YOLO(r'{tmp_path / 'model.yaml'}').model.model[1]; print(type(m), m.gain.mean())"
    printed = installed.run("-c", code)
    assert "example_layers.SquareGate" in printed and "0.5" in printed
    check = [installed.folder / "bin" / "yolo-attn", "check", tmp_path / "model.yaml"]
    assert ": ok" in installed.run(*check)
    installed.pip("uninstall", "-y", "example-layers")
