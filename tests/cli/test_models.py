"""`yolo-attn insert`, `strip` and `check` as a user types them."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from yolo_attn import cli, storage
from yolo_attn.plugin.files import find

COMMAND = Path(sys.executable).parent / "yolo-attn"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys) -> Callable[..., subprocess.CompletedProcess]:
    """Run the command in `tmp_path`, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> subprocess.CompletedProcess:
        monkeypatch.setattr(sys, "argv", ["yolo-attn", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return subprocess.CompletedProcess(arguments, ended.value.code, *capsys.readouterr())

    return run


def modules(path: Path) -> list[str]:
    model = yaml.safe_load(path.read_text())
    return [row[2] for row in model["backbone"] + model["head"]]


@pytest.mark.slow
def test_insert_check_and_strip_by_stock_name_in_processes_of_their_own(tmp_path):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True)

    done = run("insert", "yolov5s.yaml", "EMA", "-o", "my.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "my.yaml: EMA behind row 8 (C3), backbone-end",
        "Train it with: yolo train model=my.yaml data=coco8.yaml",
    ]
    assert modules(tmp_path / "my.yaml")[8:11] == ["C3", "EMA", "SPPF"]
    assert next(iter(yaml.safe_load((tmp_path / "my.yaml").read_text())["scales"])) == "s"
    assert run("check", "my.yaml").stdout == "my.yaml: ok\n"
    assert run("strip", "my.yaml", "-o", "back.yaml").returncode == 0
    assert (tmp_path / "back.yaml").read_bytes() == find("yolov5.yaml").read_bytes()
    assert run("strip", "my.yaml", "-o", "my.yaml").returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.yaml", "my.yaml"]
    assert (tmp_path / "my.yaml").read_bytes() == (tmp_path / "back.yaml").read_bytes()


def test_several_layers_go_to_several_places_with_their_arguments(run, tmp_path):
    done = run("insert", "yolo11n.yaml", "EMA:8", "CBAM:16,5", "--at", "sppf", "--at", "neck", "-o", "yolo11n-x.yaml")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "yolo11n-x.yaml").read_text()
    assert text.count("- [-1, 1, EMA, [8]]") == text.count("- [-1, 1, CBAM, [16, 5]]") == 4


def test_a_layer_can_start_as_the_identity(run, tmp_path):
    done = run("insert", "yolov8n.yaml", "EMA:8", "--at", "sppf", "--rezero", "-o", "my.yaml")
    assert done.returncode == 0, done.stderr
    assert "- [-1, 1, ReZero, [EMA, 8]]" in (tmp_path / "my.yaml").read_text()


def test_layers_go_into_blocks_and_come_out_to_the_byte(run, tmp_path):
    done = run(
        "insert", "yolo11s.yaml", "EMA:8", "CBAM:8,5", "--into", "backbone", "--into", "SPPF@end", "-o", "my.yaml"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "my.yaml: EMA:8 and CBAM:8,5 inside row 2 (C3k2), 4 (C3k2), 6 (C3k2), 8 (C3k2), backbone",
        "my.yaml: EMA:8 and CBAM:8,5 inside row 9 (SPPF), SPPF@end",
    ]
    assert modules(tmp_path / "my.yaml").count("C3k2+EMA(8)+CBAM(8, 5)") == 4
    assert modules(tmp_path / "my.yaml").count("SPPF+EMA(8)@end+CBAM(8, 5)@end") == 1
    assert run("check", "my.yaml").stdout == "my.yaml: ok\n"
    assert run("strip", "my.yaml", "-o", "back.yaml").returncode == 0
    assert (tmp_path / "back.yaml").read_bytes() == find("yolo11.yaml").read_bytes()


def test_a_layer_inside_can_start_as_the_identity_beside_a_row_of_its_own(run, tmp_path):
    done = run("insert", "yolov8n.yaml", "EMA:8", "--into", "4", "--at", "sppf", "--rezero", "-o", "my.yaml")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "my.yaml").read_text()
    assert text.count("'C2f+ReZero(EMA, 8)'") == text.count("- [-1, 1, ReZero, [EMA, 8]]") == 1


def test_a_block_without_a_place_is_refused_with_the_place_that_fits(run, tmp_path):
    done = run("insert", "yolo11s.yaml", "EMA", "--into", "SPPF", "-o", "my.yaml")
    assert done.returncode == 2
    assert "row 9: does not build: SPPF has no bottlenecks; write SPPF+EMA@end for its end" in done.stderr
    assert not (tmp_path / "my.yaml").exists()


def test_a_width_that_does_not_divide_at_another_scale_is_only_noted(run, tmp_path):
    done = run("insert", "yolov5s.yaml", "SA", "--at", "17", "-o", "my.yaml")  # 128 channels, at scale n 64
    assert done.returncode == 0, done.stderr
    assert "note: error: row 18: does not build: SA: 64 channels" in done.stderr
    assert (tmp_path / "my.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("insert", "yolov5n.yaml", "EMU", "--at", "neck"), "yolov5n.yaml: there is no layer EMU; did you mean EMA?"),
        (
            ("insert", "yolov5n.yaml", "EMA", "--at", "top"),
            "yolov5n.yaml: no place 'top'; write backbone-end, sppf, stages, neck, or the index of a row",
        ),
        (("insert", "nothing.yaml", "EMA", "--at", "neck"), "nothing.yaml: no such model YAML here"),
        (
            ("insert", "yolov5n.yaml", "EMA:7", "--at", "neck"),
            "yolov5n.yaml: my.yaml would not work, and is not written: error: row 18: does not build: EMA: 64 channels",
        ),
        (("insert", "yolov5s.pt", "EMA"), "yolov5s.pt: is no model YAML; give a file that ends in .yaml"),
        (("insert", "coco8.yaml", "EMA"), "coco8.yaml: not a model YAML: it needs a list named backbone"),
        (("insert", "folder.yaml", "EMA"), "folder.yaml: is a folder; give a model YAML"),
        (("insert", "latin.yaml", "EMA"), "latin.yaml: byte 2 is not UTF-8; save the file as UTF-8"),
        (("strip", "latin.yaml"), "latin.yaml: byte 2 is not UTF-8"),
        (("insert", "yolo11n-cls.yaml", "EMA", "--at", "neck"), "yolo11n-cls.yaml: this model has no neck"),
    ],
    ids=["layer", "place", "file", "width", "checkpoint", "data", "folder", "encoding", "strip", "neck"],
)
def test_bad_input_ends_in_one_line_and_writes_nothing(run, tmp_path, arguments, message):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "latin.yaml").write_bytes("# é\n".encode("latin-1"))
    done = run(*arguments, "-o", "my.yaml")
    assert done.returncode == 2
    assert f"yolo-attn: {message}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "my.yaml").exists()


def test_check_exits_with_1_on_errors_and_0_on_warnings(run, tmp_path):
    text = "nc: 3\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n  - [-1, 1, ECA, []] # {}\n  - [[{}], 1, Detect, [nc]]\n"
    (tmp_path / "doubtful.yaml").write_text(text.format(9, 1))
    (tmp_path / "wrong.yaml").write_text(text.format(1, "1, 0"))
    done = run("check", "doubtful.yaml")
    assert (done.returncode, done.stdout) == (0, "doubtful.yaml: warning: row 1: its comment says row 9\n")
    done = run("check", "doubtful.yaml", "wrong.yaml")
    assert done.returncode == 1
    assert "wrong.yaml: error: row 2: Detect reads row 0 past ECA, which is row 1" in done.stdout


@pytest.mark.parametrize(
    "name", ["yolov3.yaml", "yolov9s.yaml", "yolov10n.yaml", "yolo11n-cls-resnet18.yaml", "yolov8s-worldv2.yaml"]
)
def test_files_with_and_without_scales_take_a_layer(run, tmp_path, name):
    done = run("insert", name, "ECA", "-o", "my.yaml")
    assert done.returncode == 0, done.stderr
    assert "ECA" in modules(tmp_path / "my.yaml")


def test_one_unreadable_file_does_not_cost_the_results_of_the_others(run, tmp_path):
    done = run("check", "nothing.yaml", "yolov5n.pt", "yolo11n-cls-resnet18.yaml", "yolov5n-ema.yaml")
    assert done.returncode == 2
    assert done.stdout.splitlines() == ["yolo11n-cls-resnet18.yaml: ok", "yolov5n-ema.yaml: ok"]
    assert [line.partition(": ")[2][:13] for line in done.stderr.splitlines()] == ["nothing.yaml:", "yolov5n.pt: i"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("folder.yaml", "folder.yaml: is no file name for a model YAML; give one that ends in .yaml"),
        ("my.txt", "my.txt: is no file name for a model YAML"),
        ("nowhere/my.yaml", "my.yaml: No such file or directory"),
        ("closed.yaml", "closed.yaml: the file is read-only"),
        ("full.yaml", "full.yaml: No space left on device"),
    ],
)
def test_an_output_that_cannot_be_written_is_named(run, tmp_path, monkeypatch, output, message):
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "closed.yaml").write_text("as it was")
    if output == "closed.yaml":  # whoever runs the tests may be allowed to write everywhere
        access = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    if output == "full.yaml":

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(storage.os, "replace", full)
    done = run("strip", "yolov5n-ema.yaml", "-o", output)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line
    assert (tmp_path / "closed.yaml").read_text() == "as it was"
