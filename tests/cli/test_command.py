"""The command as a whole: help, version, and how errors end."""

import csv
import errno
import pickle
import re
import subprocess
import sys
import zipfile

import pytest
from typer.testing import CliRunner

from yolo_attn import __version__, cli

VERBS = [verb.__name__.replace("_", "-") for verbs in cli.VERBS.values() for verb in verbs]


def test_the_version_is_printed():
    assert CliRunner().invoke(cli.app, ["--version"]).stdout == f"yolo-attn {__version__}\n"


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "yolo_attn", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"yolo-attn {__version__}\n"), done.stderr


def test_the_help_has_every_verb_below_what_a_user_wants():
    text = CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "160"}).stdout
    words = re.findall(r"[\w-]+", text)
    panels = [text.index(panel) for panel in ("Model files", "Did it help?", "What does it do?", "Data", "Ship it")]
    assert panels == sorted(panels)
    assert {*VERBS, "visdrone"} <= {*words}
    assert "--install-completion" in text


@pytest.mark.parametrize("verb", ["bench", "gates", "rotation"])
def test_the_help_of_a_verb_has_an_example_that_begins_with_it(verb):
    text = CliRunner().invoke(cli.app, [verb, "--help"], env={"COLUMNS": "160"}).stdout
    assert f"Example: yolo-attn {verb} " in text


def ended(monkeypatch, capsys, error: BaseException) -> tuple[int, str]:
    """Exit code and standard error of a command that raises an error."""

    def app() -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as done:
        cli.main()
    return done.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (ValueError(), "ValueError"),
        (FileNotFoundError("a.yaml: not there"), "a.yaml: not there"),
        (OSError(errno.ENOSPC, "No space left on device", "out/table.md"), "out/table.md: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "out: Permission denied"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a.yaml"), "a.yaml: Is a directory"),
        (OSError("no name"), "no name"),
        (ImportError("onnx is missing"), "onnx is missing"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "'utf-8' codec can't decode byte 0xff"),
        (zipfile.BadZipFile("File is not a zip file"), "File is not a zip file"),
        (pickle.UnpicklingError("a.pt: cut"), "a.pt: cut"),
        (csv.Error("field larger than field limit (131072)"), "field larger than field limit"),
        (ValueError("[bold]a[/bold].yaml"), "[bold]a[/bold].yaml"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_a_user_causes_is_one_line_and_exit_code_2(monkeypatch, capsys, error, line):
    code, printed = ended(monkeypatch, capsys, error)
    assert code == 2
    assert printed.startswith(f"yolo-attn: {line}") and printed.count("\n") == 1


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), AssertionError("x"), RuntimeError("x")])
def test_a_mistake_of_the_package_keeps_its_traceback(monkeypatch, capsys, error):
    with pytest.raises(type(error)):
        ended(monkeypatch, capsys, error)


def test_ctrl_c_ends_with_130_and_says_nothing(monkeypatch, capsys):
    assert ended(monkeypatch, capsys, KeyboardInterrupt()) == (130, "")


def test_ctrl_c_inside_a_verb_ends_with_130_too():
    code = (
        "import sys\nfrom yolo_attn import cli\nfrom yolo_attn.experiment import plan\n"
        "def check(experiment): raise KeyboardInterrupt\n"
        "plan.check = check\n"
        "sys.argv = 'yolo-attn bench --models a.yaml --data d.yaml --epochs 1 --out out'.split()\ncli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
