"""`yolo-attn predict` and `yolo-attn visdrone predict` as a user types them."""

import inspect
import random
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from yolo_attn import cli
from yolo_attn.cli import predict
from yolo_attn.detection.presets import DISPLAY, PROTOCOL
from yolo_attn.visdrone.annotations import NAMES, read

ANCHORS = 500


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """An ONNX file of any size that looks at no image and always finds the same boxes, several classes each."""
    draws = np.random.default_rng(0)
    output = np.empty((1, 4 + len(NAMES), ANCHORS), np.float32)
    output[:, :2], output[:, 2:4] = draws.uniform(8, 56, (1, 2, ANCHORS)), draws.uniform(2, 16, (1, 2, ANCHORS))
    output[:, 4:] = draws.uniform(0, 0.4, (1, len(NAMES), ANCHORS)).astype(np.float32) ** 2
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["output0"], value=numpy_helper.from_array(output))],
        "boxes",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, output.shape)],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    about = {"names": str(dict(enumerate(NAMES))), "imgsz": "[64, 64]", "stride": "32", "task": "detect"}
    helper.set_model_props(file, about)
    path = tmp_path_factory.mktemp("model") / "[red]boxes.onnx"
    onnx.save(file, path)
    return path


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "[bold]pictures[/nothing]"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), np.zeros((64, 64, 3), np.uint8))
    return folder


def run(*arguments, code: int = 0):
    done = CliRunner().invoke(cli.app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def refused(monkeypatch, capsys, *arguments) -> str:
    """What a verb that ends with exit code 2 says on standard error, which is one line."""
    monkeypatch.setattr(sys, "argv", ["yolo-attn", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("yolo-attn: ") and message.count("\n") == 1
    return message


@pytest.mark.parametrize(("verb", "preset"), [(predict.predict, DISPLAY), (predict.visdrone_predict, PROTOCOL)])
def test_the_defaults_of_a_verb_are_those_of_its_preset(verb, preset):
    options = inspect.signature(verb).parameters
    shared = options.keys() & asdict(preset).keys()
    assert {"imgsz", "conf", "iou", "max_det"} <= shared
    assert {name: options[name].default for name in shared} == {name: getattr(preset, name) for name in shared}


LIKE_THE_PROTOCOL = ["--conf", 0.001, "--max-det", 500, "--multi-label", "--no-exif"]


def test_both_verbs_find_the_same_boxes_at_the_same_settings(model, images, tmp_path):
    run("predict", "--model", model, "--source", images, "--out", tmp_path / "a", "--visdrone", *LIKE_THE_PROTOCOL)
    run("visdrone", "predict", "--model", model, "--images", images, "--out", tmp_path / "b")
    for name in ("a.txt", "b.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert len(read(tmp_path / "a" / name)) == 500


def test_predict_draws_unless_something_else_is_asked_for(model, images, tmp_path):
    def written(*options) -> set[str]:
        out = tmp_path / "-".join(["out", *options])
        run("predict", "--model", model, "--source", images, "--out", out, "--conf", 0.1, *options)
        return {path.name for path in out.iterdir() if path.suffix != ".jsonl"}

    assert written() == {"a.png", "b.png"}
    assert written("--json") == {"detections.json"}
    assert written("--json", "--draw") == {"a.png", "b.png", "detections.json"}
    assert written("--visdrone") == {"a.txt", "b.txt"}


def test_pictures_that_cannot_be_read_are_named_and_end_in_exit_code_1(model, images, tmp_path):
    (images / "c.png").mkdir()
    (images / "d.png").touch()
    for verb in (["predict", "--source", images], ["visdrone", "predict", "--images", images]):
        done = run(*verb, "--model", model, "--out", tmp_path / verb[0], code=1)
        assert f"{images / 'c.png'}: cannot be read as an image (a folder)" in done.stderr
        assert f"{images / 'd.png'}: an empty file" in done.stderr
    assert {path.name for path in (tmp_path / "visdrone").iterdir()} == {"a.txt", "b.txt", "settings.json"}


@pytest.mark.parametrize(
    "verb", [["predict", "--source"], ["visdrone", "predict", "--images"]], ids=lambda verb: verb[0]
)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--imgsz", 0], "imgsz 0: height and width are at least 32"),
        (["--imgsz", -64], "imgsz -64: height and width are at least 32"),
        (["--max-det", 0], "max_det is at least 1"),
        (["--conf", 1.5], "conf and iou lie in 0..1"),
        (["--batch", 0], "at_once and batch are at least 1"),
        (["--at-once", -1], "at_once and batch are at least 1"),
        (["--model", "gone.pt"], "gone.pt: not there; give a checkpoint"),
        (["--model", "gone.onnx"], "gone.onnx: not there; give a checkpoint"),
    ],
    ids=str,
)
def test_what_cannot_work_is_one_line_and_nothing_is_written(
    monkeypatch, capsys, model, images, tmp_path, verb, options, message
):
    arguments = [*verb, images, "--model", model, "--out", tmp_path / "out", *options]
    assert message in refused(monkeypatch, capsys, *arguments)
    assert not (tmp_path / "out").exists()


def test_what_is_in_the_way_is_named(monkeypatch, capsys, model, images, tmp_path):
    (images / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    command = ["predict", "--model", model, "--source", images, "--out"]
    assert f"{images / 'a.txt'} was not written by" in refused(monkeypatch, capsys, *command, images, "--visdrone")
    assert f"{images / 'a.png'} is itself an input" in refused(monkeypatch, capsys, *command, images)
    assert "a.txt: is a file; name a folder" in refused(monkeypatch, capsys, *command, images / "a.txt")
    assert (images / "a.txt").read_text() == "0 0.5 0.5 0.1 0.1\n"
    (tmp_path / "settings.json").touch()
    protocol = ["visdrone", "predict", "--model", model, "--images", images, "--out", tmp_path]
    assert f"{tmp_path / 'settings.json'}: damaged" in refused(monkeypatch, capsys, *protocol)


def test_a_file_of_fixed_size_is_not_recorded_at_another(monkeypatch, capsys, model, images, tmp_path):
    fixed = onnx.load(model)
    for dimension, size in zip(fixed.graph.input[0].type.tensor_type.shape.dim, (1, 3, 64, 64), strict=True):
        dimension.dim_value = size
    onnx.save(fixed, tmp_path / "fixed.onnx")
    arguments = [
        "visdrone",
        "predict",
        "--model",
        tmp_path / "fixed.onnx",
        "--images",
        images,
        "--out",
        tmp_path / "out",
    ]
    assert "has the fixed size 64 x 64, not 96 x 96" in refused(monkeypatch, capsys, *arguments, "--imgsz", 96)
    assert not (tmp_path / "out").exists()
    run(*arguments)
    assert '"input_size": [\n    64,\n    64\n  ]' in (tmp_path / "out" / "settings.json").read_text()


def test_a_second_run_keeps_the_files_of_the_first(model, images, tmp_path):
    arguments = ["visdrone", "predict", "--model", model, "--images", images, "--out", tmp_path / "out"]
    assert "2 detection files written, 0 were there" in run(*arguments).stdout
    (tmp_path / "out" / "b.txt").unlink()
    assert "1 detection files written, 1 were there" in run(*arguments).stdout


@pytest.mark.parametrize("verb", ["predict", "visdrone predict"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tiles", "many"], "tiles 'many': expected pixels of a side, such as 640, or columns x rows, such as 3x2"),
        (["--tiles", 16], "tiles of 16 pixels are smaller than the model's stride of 32"),
        (["--tiles", 64, "--overlap", 1], "tiles: overlap 1.0; it is a share of a tile's side, at least 0 and below 1"),
        (["--tiles", 64, "--overlap", -0.1], "tiles: overlap -0.1;"),
        (["--tiles", 64, "--merge", "mean"], "tiles: merge 'mean' at 0.5; merge is nms or greedy"),
        (["--overlap", 0.1, "--no-whole"], "overlap, whole: given without tiles; add --tiles, such as --tiles 640"),
    ],
)
def test_tiles_that_cannot_be_are_refused_in_one_line(
    model, images, tmp_path, monkeypatch, capsys, verb, options, message
):
    source = "--images" if verb == "visdrone predict" else "--source"
    arguments = ["--model", model, source, images, "--out", tmp_path / "out", *options]
    assert message in refused(monkeypatch, capsys, *verb.split(), *arguments)
    assert not (tmp_path / "out").exists()


def test_tiles_larger_than_the_pictures_change_nothing_but_the_merge(model, images, tmp_path):
    arguments = ["visdrone", "predict", "--model", model, "--images", images, "--iou", 0.5]
    run(*arguments, "--out", tmp_path / "whole")
    run(*arguments, "--out", tmp_path / "tiles", "--tiles", 640)
    assert len(read(tmp_path / "whole" / "a.txt")) > 100
    np.testing.assert_array_equal(read(tmp_path / "tiles" / "a.txt"), read(tmp_path / "whole" / "a.txt"))


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder but for its journal and the drafts of a killed run."""
    files = (
        path for path in folder.glob("*") if not path.name.startswith(".") and path.suffix not in (".jsonl", ".partial")
    )
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["predict", "visdrone predict"])
def test_a_run_with_tiles_may_be_killed_at_any_moment_and_repeated(model, images, tmp_path, verb):
    draws = np.random.default_rng(0)
    for number in range(40):
        cv2.imwrite(str(images / f"{number:02}.png"), draws.integers(0, 256, (150, 200, 3), np.uint8))
    source = "--images" if verb == "visdrone predict" else "--source"
    options = [] if verb == "visdrone predict" else ["--visdrone", "--draw", "--json"]
    arguments = [*verb.split(), "--model", model, source, images, "--tiles", 64, *options]
    run(*arguments, "--out", tmp_path / "whole")
    expected = contents(tmp_path / "whole")
    assert len(expected) == (43 if verb == "visdrone predict" else 85)
    out, moments, found = tmp_path / "killed", random.Random(0), 0
    for least in (1, 10, 25):
        command = [
            sys.executable,
            "-c",
            "from yolo_attn.cli import main; main()",
            *map(str, arguments),
            "--out",
            str(out),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        written_before = {path: path.stat().st_mtime_ns for path in out.glob("*.txt")}
        while process.poll() is None:
            time.sleep(0.005)
            written = {path: path.stat().st_mtime_ns for path in out.glob("*.txt")}
            if len(written.items() - written_before.items()) >= least:
                time.sleep(moments.uniform(0, 0.02))
                process.kill()
                found += process.wait() != 0
        left = contents(out)
        assert all(content == expected[name] for name, content in left.items()), "a file is not whole"
    assert found  # at least one was killed at work
    run(*arguments, "--out", out)
    assert contents(out) == expected
    assert {path.name for path in out.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
