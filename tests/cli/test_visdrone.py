"""`yolo-attn visdrone prepare`, `predict` and `evaluate` as a user types them, and the whole path through them."""

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner
from ultralytics.utils import LOGGER

from yolo_attn import cli, demo
from yolo_attn.storage import folder_lock
from yolo_attn.visdrone import splits
from yolo_attn.visdrone.sizes import image_size

CASES = Path(__file__).parents[1] / "visdrone" / "evaluation" / "cases"
SEVEN = ["AP", "AP50", "AP75", "AR1", "AR10", "AR100", "AR500"]


def run(*arguments) -> str:
    """Run a command that must succeed; return what it prints."""
    done = CliRunner().invoke(cli.app, ["visdrone", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(monkeypatch, capsys, *arguments) -> str:
    """Run a command that must end with exit code 2; return what it prints to standard error."""
    monkeypatch.setattr(sys, "argv", ["yolo-attn", "visdrone", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def small_set(tmp_path_factory) -> Path:
    """The demo set in the official layout, without the labels it comes with."""
    root = demo.draw(tmp_path_factory.mktemp("demo") / "set", (8, 4, 1), seed=3, sizes=((128, 96),))
    for name in splits.FOLDERS.values():
        shutil.rmtree(root / name / "labels")
    return root


def case(name: str) -> list:
    folder = CASES / name
    files = ["--annotations", folder / "annotations", "--detections", folder / "detections"]
    return [*files, "--sizes", folder / "images_sizes.csv"]


def test_evaluate_prints_the_official_numbers_and_those_of_every_class():
    expected = json.loads((CASES / "case1" / "expected.json").read_text())
    out = run("evaluate", *case("case1"))
    assert f"{expected['AP']:.2f}" in out
    for word in [*SEVEN, "official", "plain class mean", "awning-tricycle", "ground truth dropped"]:
        assert word in out


def test_evaluate_writes_json_with_just_these_keys(tmp_path):
    run("evaluate", *case("case1"), "--json", tmp_path / "numbers.json")
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    details = ["by_size", "errors", "precision_recall"]
    assert list(numbers) == [*SEVEN, "plain_class_mean", "per_class", "counts", "warnings", *details]
    expected = json.loads((CASES / "case1" / "expected.json").read_text())
    assert numbers["AP"] == pytest.approx(expected["AP"], abs=1e-9)


def test_evaluate_writes_null_where_there_is_nothing_to_average(tmp_path):
    for part, content in ("annotations", "1,1,50,50,0,0,0,0\n"), ("detections", ""):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.txt").write_text(content)
    (tmp_path / "sizes.csv").write_text("image,width,height\na,100,100\n")
    folders = ["--annotations", tmp_path / "annotations", "--detections", tmp_path / "detections"]
    out = run("evaluate", *folders, "--sizes", tmp_path / "sizes.csv", "--json", tmp_path / "numbers.json")
    assert json.loads((tmp_path / "numbers.json").read_text())["AP"] is None
    assert "nan" not in out


def test_evaluate_prints_sizes_and_errors_marked_as_not_official(tmp_path):
    out = run("evaluate", *case("case1"), "--confidence", 0.5, "--json", tmp_path / "numbers.json")
    assert "Not official: by size" in out
    assert "Not official: IoU 0.5, scores from 0.5" in out
    for word in ["below 8²", "8² to 16²", "16² to 32²", "32² to 96²", "96² and above", "misses", "false alarms"]:
        assert word in out
    assert json.loads((tmp_path / "numbers.json").read_text())["errors"]["confidence"] == 0.5


def test_evaluate_draws_plots_on_request_and_says_what_the_gallery_needs(small_set, tmp_path):
    val = small_set / splits.FOLDERS["val"]
    found = shutil.copytree(val / "annotations", tmp_path / "found")
    (found / min(path.name for path in found.iterdir())).write_text(
        "1,1,5,5,0.9,4,-1,-1\n"
    )  # boxes of one picture missed
    folders = ["--annotations", val / "annotations", "--detections", found]
    out = run("evaluate", *folders, "--images", val / "images", "--plots", tmp_path / "plots")
    assert "precision-recall.png, confusion.png, worst-01.jpg" in " ".join(out.split())
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert drawn == {"precision-recall.png", "confusion.png", "worst-01.jpg"}
    out = run("evaluate", *case("case1"), "--plots", tmp_path / "without")
    assert "give the pictures by --images instead of --sizes" in " ".join(out.split())
    assert {path.name for path in (tmp_path / "without").iterdir()} == {"precision-recall.png", "confusion.png"}


def test_evaluate_refuses_a_confidence_that_no_score_can_have(monkeypatch, capsys):
    message = refused(monkeypatch, capsys, "evaluate", *case("case1"), "--confidence", "25")
    assert message == "yolo-attn: confidence is 25; scores lie between 0 and 1, give a number in that range\n"


def test_evaluate_gives_coco_a_column_of_its_own(tmp_path):
    pytest.importorskip("faster_coco_eval")
    assert "COCO protocol" not in run("evaluate", *case("case1"))
    assert "COCO protocol" in run("evaluate", *case("case1"), "--coco", "--json", tmp_path / "numbers.json")
    assert set(json.loads((tmp_path / "numbers.json").read_text())["coco"]) == {"AP", "AP50", "AP75"}


@pytest.mark.parametrize("extra", [[], ["--images", "folder"]], ids=["neither", "both"])
def test_evaluate_wants_the_sizes_once(monkeypatch, capsys, extra):
    arguments = case("case1") if extra else case("case1")[:4]
    assert "either as --images FOLDER or as --sizes CSV" in refused(monkeypatch, capsys, "evaluate", *arguments, *extra)


def test_evaluate_prints_the_warnings(tmp_path):
    shutil.copytree(CASES / "case1", tmp_path / "set")
    (tmp_path / "set" / "detections" / "0000000_d.txt").unlink()
    folders = ["--annotations", tmp_path / "set" / "annotations", "--detections", tmp_path / "set" / "detections"]
    assert "warning: images without a detection file" in run(
        "evaluate", *folders, "--sizes", CASES / "case1" / "images_sizes.csv"
    )


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ([], {"train", "val", "test-dev"}),
        (["--splits", "val"], {"val"}),
        (["--splits", "train,val"], {"train", "val"}),
        (["--splits", "train, val"], {"train", "val"}),
        (["--splits", "train", "--splits", "val"], {"train", "val"}),
    ],
    ids=["all", "one", "two", "two-with-a-space", "two-options"],
)
def test_prepare_does_the_splits_asked_for(small_set, tmp_path, chosen, expected):
    root = shutil.copytree(small_set, tmp_path / "set")
    out = run("prepare", "--root", root, *chosen)
    assert {split for split, name in splits.FOLDERS.items() if (root / name / "images.txt").exists()} == expected
    assert "label files written" in out


def test_prepare_names_the_first_row_of_each_kind_left_out(tmp_path):
    folder = tmp_path / "VisDrone2019-DET-val"
    demo.draw(tmp_path / "set", (1, 1, 1), sizes=((128, 96),))
    shutil.move(tmp_path / "set" / folder.name, folder)
    (annotation,) = (folder / "annotations").iterdir()
    annotation.write_text("1,1,9,9,1,4,0,0\n1,1,9,9,0,4,0,0\n1,1,9,9,0,4,0,0\n")
    out = run("prepare", "--root", tmp_path)
    assert f"{folder.name}/annotations/{annotation.name}:2: the first of 2 rows left out, score 0" in out


def test_prepare_says_what_to_download(monkeypatch, capsys, tmp_path):
    message = refused(monkeypatch, capsys, "prepare", "--root", tmp_path)
    assert message.startswith("yolo-attn: VisDrone: ")
    assert "VisDrone2019-DET-test-dev.zip" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("words", [["val"], ["--splits", "train", "val"]])
def test_prepare_takes_no_stray_word_for_a_split(monkeypatch, capsys, small_set, words):
    assert "unexpected extra argument" in refused(monkeypatch, capsys, "prepare", "--root", small_set, *words)


@pytest.mark.parametrize("splits_given", ["trian", "train,", "train;val"])
def test_prepare_refuses_a_split_that_does_not_exist(monkeypatch, capsys, small_set, splits_given):
    message = refused(monkeypatch, capsys, "prepare", "--root", small_set, "--splits", splits_given)
    assert "they are train, val, test-dev" in message
    assert len(message.splitlines()) == 1


def test_prepare_keeps_corrected_labels_says_so_and_overwrites_them_on_request(small_set, tmp_path):
    root = shutil.copytree(small_set, tmp_path / "set")
    run("prepare", "--root", root, "--splits", "val")
    label = min((root / splits.FOLDERS["val"] / "labels").iterdir())
    made = label.read_bytes()
    label.write_text("3 0.5 0.5 0.1 0.1\n")
    place = f"{splits.FOLDERS['val']}/labels/{label.name}"
    assert f"{place}: the first of 1 label files that differ" in run("prepare", "--root", root, "--splits", "val")
    assert label.read_text() == "3 0.5 0.5 0.1 0.1\n"
    assert place not in run("prepare", "--root", root, "--splits", "val", "--overwrite")
    assert label.read_bytes() == made


def test_prepare_waits_for_another_one_as_long_as_it_is_told(monkeypatch, capsys, small_set):
    with folder_lock(small_set, "busy", 0):
        message = refused(monkeypatch, capsys, "prepare", "--root", small_set, "--timeout", "0.1")
    assert message.splitlines()[-1] == f"yolo-attn: {small_set}: another `yolo-attn visdrone prepare` works there"


@pytest.mark.parametrize("occupied", ["annotations/0000000_d.txt", "detections/0000001_d.txt", "numbers.json"])
def test_evaluate_names_a_folder_where_a_file_belongs(monkeypatch, capsys, tmp_path, occupied):
    root = shutil.copytree(CASES / "case1", tmp_path / "set")
    (root / occupied).unlink(missing_ok=True)
    (root / occupied).mkdir()
    options = ["--annotations", root / "annotations", "--detections", root / "detections"]
    options += ["--sizes", root / "images_sizes.csv", "--json", root / "numbers.json"]
    message = refused(monkeypatch, capsys, "evaluate", *options)
    assert message.startswith(f"yolo-attn: {root / occupied}: ")
    assert len(message.splitlines()) == 1


def test_prepare_tiles_the_splits_and_names_the_yaml_that_trains_on_them(small_set, tmp_path):
    root = shutil.copytree(small_set, tmp_path / "set")
    options = ["--root", root, "--splits", "train,val", "--tiles", "64", "--overlap", "0.25", "--keep-empty", "1"]
    out = run("prepare", *options)
    assert f"train with data={root}" in out
    content = yaml.safe_load((root / "VisDrone-tiles-64.yaml").read_text())
    assert content["train"] == "VisDrone2019-DET-train-tiles-64/images.txt"
    assert (content["path"], content["ignored"], "test" in content) == (str(root), "fill", False)
    tiles = (root / content["train"]).read_text().splitlines()
    assert len(tiles) == 8 * 6  # of 128 x 96 pixels: 0, 48, 64 across; 0, 32 down
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*_x*")}
    assert len(before) == 3 * (8 + 4) * 6
    run("prepare", *options)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*_x*")} == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--tiles", "16"], "a tile is no smaller than a network's stride, 32"),
        (["--tiles", "big"], "expected pixels of a side, such as 640"),
        (["--tiles", "64", "--overlap", "1"], "at least 0 and below 1"),
        (["--tiles", "64", "--min-visible", "0"], "visible share 0"),
        (["--keep-empty", "1"], "add --tiles"),
    ],
)
def test_prepare_refuses_tiles_out_of_range_before_it_does_anything(
    monkeypatch, capsys, small_set, tmp_path, options, sentence
):
    root = shutil.copytree(small_set, tmp_path / "set")
    message = refused(monkeypatch, capsys, "prepare", "--root", root, *options)
    assert sentence in message
    assert len(message.splitlines()) == 1
    assert not (root / splits.FOLDERS["val"] / "labels").exists()


def test_demo_draws_crowds_on_request_and_wants_a_folder_for_them(monkeypatch, capsys, tmp_path):
    drawn = []
    monkeypatch.setattr(LOGGER, "handlers", [])  # the command redirects them
    monkeypatch.setattr(demo, "draw", lambda root, **given: drawn.append((root, given["crowds"])) or root)
    assert CliRunner().invoke(cli.app, ["demo", "--root", str(tmp_path), "--crowds"]).exit_code == 0
    assert drawn == [(tmp_path, True)]
    monkeypatch.setattr(sys, "argv", ["yolo-attn", "demo", "--crowds"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "give --root" in capsys.readouterr().err


def test_every_verb_has_an_example_that_starts_with_the_command():
    for verb in ("prepare", "evaluate"):
        assert f"Example: yolo-attn visdrone {verb} --" in " ".join(run(verb, "--help").split())
    assert "by default all in the folder" in " ".join(run("prepare", "--help").replace("│", "").split())
    shown = CliRunner().invoke(cli.app, ["demo", "--help"]).output
    assert "Example: yolo-attn demo --root VisDrone" in " ".join(shown.split())


def test_the_whole_path_from_the_official_folders_to_the_official_numbers(small_set, tmp_path):
    from ultralytics import YOLO

    root = shutil.copytree(small_set, tmp_path / "set")
    run("prepare", "--root", root)
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(demo.annotations.NAMES))
    lists = "".join(
        f"{key}: {splits.FOLDERS[split]}/images.txt\n" for key, split in (("train", "train"), ("val", "val"))
    )
    (tmp_path / "data.yaml").write_text(f"path: {root}\n{lists}names:\n{names}")
    model = YOLO(Path(__file__).parents[2] / "cfg" / "yolov5n-p2.yaml")
    fast = {"imgsz": 64, "batch": 4, "workers": 0, "plots": False, "device": "cpu", "amp": False}
    model.train(data=tmp_path / "data.yaml", epochs=1, project=tmp_path, name="run", **fast)

    val = root / splits.FOLDERS["val"]
    detections, best = tmp_path / "detections", tmp_path / "run" / "weights" / "best.pt"
    arguments = ["--model", best, "--images", val / "images", "--out", detections, "--imgsz", 64]
    out = run("predict", *arguments)
    assert "4 detection files written, 0 were there" in out
    (val / "images" / "broken.jpg").write_bytes(b"")
    again = CliRunner().invoke(cli.app, ["visdrone", "predict", *map(str, arguments)])
    assert again.exit_code == 1
    assert "broken.jpg" in again.output
    (val / "images" / "broken.jpg").unlink()
    folders = ["--annotations", val / "annotations", "--detections", detections, "--images", val / "images"]
    run("evaluate", *folders, "--json", tmp_path / "numbers.json")
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert all(math.isfinite(numbers[key]) for key in SEVEN)
    assert numbers["counts"]["images"] == 4
    assert numbers["warnings"] == []


def test_the_demo_set_is_drawn_at_another_size(tmp_path):
    command = ["demo", "--root", tmp_path / "set", "--picture-size", "1000x750", "--pictures", "1,2,1"]
    subprocess.run([sys.executable, "-m", "yolo_attn", *map(str, command)], check=True, capture_output=True)
    images = sorted((tmp_path / "set").rglob("*.jpg"))
    assert len(images) == 4
    assert {image_size(path) for path in images} == {(1000, 750)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--picture-size", "2000"], "--picture-size '2000': expected 2 whole numbers with 'x' between them"),
        (["--pictures", "1,2"], "--pictures '1,2': expected 3 whole numbers with ',' between them"),
        ([], "need a folder; give --root"),
    ],
)
def test_a_demo_set_that_cannot_be_is_refused(tmp_path, options, message):
    root = ["--root", tmp_path / "set"] if options else ["--picture-size", "1000x750"]
    with pytest.raises(ValueError, match=re.escape(message)):
        CliRunner().invoke(cli.app, [*map(str, ["demo", *root, *options])], catch_exceptions=False)
    assert not (tmp_path / "set").exists()
