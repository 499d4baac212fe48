"""`yolo-attn insert`, `strip` and `check` as a user types them."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

COMMAND = Path(sys.executable).parent / "yolo-attn"


def run(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run([COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


def modules(path: Path) -> list[str]:
    model = yaml.safe_load(path.read_text())
    return [row[2] for row in model["backbone"] + model["head"]]


def test_insert_check_and_strip_by_stock_name(tmp_path):
    done = run("insert", "yolov5s.yaml", "EMA", "--at", "backbone-end", "-o", "my.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert modules(tmp_path / "my.yaml")[8:11] == ["C3", "EMA", "SPPF"]
    assert next(iter(yaml.safe_load((tmp_path / "my.yaml").read_text())["scales"])) == "s"
    assert run("check", "my.yaml", cwd=tmp_path).stdout == "my.yaml: ok\n"
    assert run("strip", "my.yaml", "-o", "back.yaml", cwd=tmp_path).returncode == 0
    assert "EMA" not in modules(tmp_path / "back.yaml")


def test_several_layers_go_to_several_places_with_their_arguments(tmp_path):
    done = run(
        "insert",
        "yolo11n.yaml",
        "EMA:8",
        "CBAM:16,5",
        "--at",
        "sppf",
        "--at",
        "neck",
        "-o",
        "yolo11n-x.yaml",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "yolo11n-x.yaml").read_text()
    assert text.count("- [-1, 1, EMA, [8]]") == text.count("- [-1, 1, CBAM, [16, 5]]") == 4


def test_a_layer_can_start_as_the_identity(tmp_path):
    done = run("insert", "yolov8n.yaml", "EMA:8", "--at", "sppf", "--rezero", "-o", "my.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "- [-1, 1, ReZero, [EMA, 8]]" in (tmp_path / "my.yaml").read_text()


def test_a_width_that_does_not_divide_at_another_scale_is_only_noted(tmp_path):
    done = run(
        "insert", "yolov5s.yaml", "SA", "--at", "17", "-o", "my.yaml", cwd=tmp_path
    )  # 128 channels, at scale n 64
    assert done.returncode == 0, done.stderr
    assert "note: error: row 18: does not build: SA: 64 channels" in done.stderr
    assert (tmp_path / "my.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("insert", "yolov5n.yaml", "EMU", "--at", "neck"), "there is no layer EMU; did you mean EMA?"),
        (
            ("insert", "yolov5n.yaml", "EMA", "--at", "top"),
            "no place 'top'; write backbone-end, sppf, stages, neck, or the index of a row",
        ),
        (("insert", "nothing.yaml", "EMA", "--at", "neck"), "nothing.yaml: no such model YAML here"),
        (
            ("insert", "yolov5n.yaml", "EMA:7", "--at", "neck"),
            "my.yaml would not work, and is not written: error: row 18: does not build: EMA: 64 channels",
        ),
    ],
    ids=["layer", "place", "file", "width"],
)
def test_bad_input_ends_in_one_line_and_writes_nothing(tmp_path, arguments, message):
    done = run(*arguments, "-o", "my.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert f"yolo-attn: {message}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "my.yaml").exists()


def test_check_exits_with_1_on_errors_and_0_on_warnings(tmp_path):
    run("insert", "yolov5n.yaml", "EMA", "--at", "neck", "-o", "my.yaml", cwd=tmp_path)
    text = (tmp_path / "my.yaml").read_text()
    (tmp_path / "doubtful.yaml").write_text(text.replace("# 18", "# 19"))
    (tmp_path / "wrong.yaml").write_text(text.replace("[[18, 22, 26]", "[[17, 22, 26]"))
    done = run("check", "doubtful.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "doubtful.yaml: warning: row 18: its comment says row 19\n")
    done = run("check", "doubtful.yaml", "wrong.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "wrong.yaml: error: row 27: Detect reads row 17 past EMA, which is row 18" in done.stdout
