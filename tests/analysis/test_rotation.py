"""Accuracy on rotated images: classifiers whose answer at each angle is known, and folders as users have them."""

import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner
from ultralytics import YOLO

from yolo_attn.analysis import rotation
from yolo_attn.analysis.trained_classifier import ClassFolders, TrainedClassifier, loader
from yolo_attn.cli import app, main
from yolo_attn.plugin.files import find


def yaml(row: str = "[18, SE(16)]") -> str:
    return f"""nc: 2
backbone:
  - [-1, 1, ResNet, {row}]
head:
  - [-1, 1, Feature, [5]]
  - [-1, 1, Classifier, [nc]]
"""


def stock(name: str) -> str:
    """A YAML of Ultralytics, for two classes."""
    return re.sub(r"^nc: \d+", "nc: 2", find(name).read_text(), flags=re.MULTILINE)


def checkpoint(folder: Path, text: str, names: tuple[str, ...] = ("dark", "light"), imgsz: int = 32) -> Path:
    """An untrained model as Ultralytics saves one after training."""
    file = folder / "model.yaml"
    file.write_text(text)
    torch.manual_seed(0)
    model = YOLO(file)
    model.model.names = dict(enumerate(names))
    model.model.args = {"imgsz": imgsz, "task": model.task}
    torch.save({"model": model.model.half(), "train_args": model.model.args}, folder / "best.pt")
    return folder / "best.pt"


def draw(root: Path, **levels: int) -> Path:
    """Two pictures of 40 x 32 pixels of one level in a folder for each class."""
    for name, level in levels.items():
        (root / name).mkdir(parents=True)
        for number in range(2):
            cv2.imwrite(str(root / name / f"{number}.png"), np.full((32, 40, 3), level + number, np.uint8))
    return root


class TopLeft(nn.Module):
    """images (B, 3, H, W) -> scores (B, classes): the class is the number in the top left pixel."""

    def __init__(self, classes: int):
        super().__init__()
        self.classes = classes

    def forward(self, images):
        return -(torch.arange(self.classes) - images[:, 0, :1, 0]).abs()


def corners(top_left: int, top_right: int, bottom_left: int, bottom_right: int) -> torch.Tensor:
    image = torch.zeros(3, 4, 4)
    for row, column, level in (0, 0, top_left), (0, 3, top_right), (3, 0, bottom_left), (3, 3, bottom_right):
        image[:, row, column] = level
    return image


@pytest.mark.parametrize(
    ("angle", "expected"),
    [
        (0, [[1, 2, 3], [4, 5, 6]]),
        (90, [[4, 1], [5, 2], [6, 3]]),  # the left column, read upwards, becomes the top row
        (180, [[6, 5, 4], [3, 2, 1]]),
        (270, [[3, 6], [2, 5], [1, 4]]),
    ],
)
def test_images_are_rotated_clockwise(angle, expected):
    assert rotation.rotated(torch.tensor([[[1, 2, 3], [4, 5, 6]]]), angle).tolist() == [expected]


def test_clockwise_is_what_opencv_and_the_papers_call_clockwise():
    image = torch.arange(12).reshape(3, 4)
    codes = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    for angle, code in codes.items():
        assert rotation.rotated(image, angle).tolist() == cv2.rotate(image.numpy().astype(np.uint8), code).tolist()


def test_what_looks_at_the_top_left_corner_sees_the_others_clockwise():
    """Rotated by 90 degrees the bottom left corner comes to the top left, by 180 the bottom right, by 270 the top right."""
    images = [corners(0, 0, 1, 1), corners(1, 1, 0, 1), corners(1, 0, 0, 0), corners(0, 1, 1, 0)]
    classes = [0, 1, 1, 0]
    batches = [  # of unequal size: every image counts the same
        {"img": torch.stack(images[:3]), "cls": torch.tensor(classes[:3])},
        {"img": images[3][None], "cls": torch.tensor(classes[3:])},
    ]
    measured = rotation.accuracies(TopLeft(2), batches)
    assert [accuracy.angle for accuracy in measured] == [0, 90, 180, 270]
    # Right at 0: all. 90 (bottom left 1 0 0 1): none. 180 (bottom right 1 1 0 0): 2nd, 4th. 270 (top right 0 1 0 1): 1st, 2nd.
    assert [accuracy.top1 for accuracy in measured] == [100, 0, 50, 50]
    assert {accuracy.images for accuracy in measured} == {4}
    assert {accuracy.top5 for accuracy in measured} == {None}


def test_the_first_image_alone_tells_90_from_270():
    """Its bottom left corner shows the wrong class, its top right one the right class."""
    measured = rotation.accuracies(TopLeft(2), [{"img": corners(0, 0, 1, 1)[None], "cls": torch.tensor([0])}])
    assert [accuracy.top1 for accuracy in measured] == [100, 0, 0, 100]


def test_top_5_counts_the_five_highest_scores():
    """The scores fall with the distance to the corner's number: of 9 classes, 0 is the fifth beside 2 and the ninth beside 8."""
    images = [corners(2, 8, 4, 0), corners(0, 0, 4, 8)]
    measured = rotation.accuracies(TopLeft(9), [{"img": torch.stack(images), "cls": torch.tensor([0, 8])}])
    assert [accuracy.top1 for accuracy in measured] == [0, 0, 100, 0]
    nearest = {2: {0, 1, 2, 3, 4}, 8: {4, 5, 6, 7, 8}, 4: {2, 3, 4, 5, 6}, 0: {0, 1, 2, 3, 4}}
    seen = [(2, 0), (4, 4), (0, 8), (8, 0)]  # top left of either image at each angle
    expected = [50 * ((0 in nearest[first]) + (8 in nearest[second])) for first, second in seen]
    assert [accuracy.top5 for accuracy in measured] == expected == [50, 0, 100, 0]


@pytest.mark.parametrize("split", ["", "val", "test"])
def test_classes_are_known_by_the_name_of_their_folder(tmp_path, split):
    data = draw(tmp_path / "data" / split, b=10, d=20)
    pictures = ClassFolders(tmp_path / "data", ("d", "x", "b"), 32)
    assert [(Path(file).relative_to(data).as_posix(), kind) for file, kind, *_ in pictures.samples] == [
        ("b/0.png", 2),
        ("b/1.png", 2),
        ("d/0.png", 0),
        ("d/1.png", 0),
    ]
    torch.testing.assert_close(pictures[3]["img"], torch.full((3, 32, 32), 21 / 255))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]  # no cache of Ultralytics


def test_a_training_folder_is_not_measured_where_there_is_one_for_validation(tmp_path):
    draw(tmp_path / "train", a=1)
    draw(tmp_path / "val", a=1)
    assert all("val" in Path(sample[0]).parts for sample in ClassFolders(tmp_path, "a", 32).samples)


@pytest.mark.parametrize(
    ("text", "imgsz"),
    [(yaml(), 32), (yaml("[18, EMA(32), end, cifar]"), 32), (stock("yolo11-cls.yaml"), 64)],
    ids=["SE", "EMA", "stock"],
)
def test_upright_accuracy_is_that_of_ultralytics_val(tmp_path, monkeypatch, text, imgsz):
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "data" / "train", dark=20, light=200)
    data = draw(tmp_path / "data" / "val", dark=20, light=200).parent
    (data / "val" / "dark" / "1.png").unlink()  # so that 1, 2 or all of 3 are right, and which class is which matters
    file = checkpoint(tmp_path, text, imgsz=imgsz)
    classifier = TrainedClassifier.load(file, device="cpu")
    assert classifier.imgsz == imgsz
    measured = rotation.accuracies(classifier, loader(classifier, data))
    validated = YOLO(file).val(data=str(data), imgsz=imgsz, batch=4, workers=0, plots=False, device="cpu")
    assert measured[0].top1 == pytest.approx(100 * validated.top1)
    assert {accuracy.top1 for accuracy in measured} == {
        measured[0].top1
    }  # an image of one level is the same at each angle


def test_the_command_prints_a_table_and_writes_it(tmp_path):
    data, file = draw(tmp_path / "data", dark=20, light=200), checkpoint(tmp_path, yaml())
    arguments = ["rotation", "--model", file, "--data", data, "--out", tmp_path / "out"]
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert all(f"│ {angle}°" in done.stdout for angle in rotation.ANGLES)
    record = json.loads((tmp_path / "out" / "rotation.json").read_text())
    assert record["imgsz"] == 32 and [row["angle"] for row in record["rotations"]] == [0, 90, 180, 270]
    lines = (tmp_path / "out" / "rotation.csv").read_text().splitlines()
    assert lines[:2] == ["angle,images,top1,top5", f"0,4,{record['rotations'][0]['top1']},"]
    assert cv2.imread(str(tmp_path / "out" / "rotation.png")).size


def test_without_a_folder_for_the_results_they_go_beside_the_checkpoint(tmp_path):
    data, file = draw(tmp_path / "data", dark=20, light=200), checkpoint(tmp_path, yaml())
    assert CliRunner().invoke(app, ["rotation", "--model", str(file), "--data", str(data)]).exit_code == 0
    assert (tmp_path / "best-rotation" / "rotation.json").is_file()


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("classifier"), yaml())


@pytest.mark.parametrize("verb", ["rotation", "gates"])
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("no checkpoint", "not there; give a checkpoint such as best.pt"),
        ("a yaml", "is no checkpoint; give the .pt file"),
        ("a damaged checkpoint", "damaged.pt: cannot be opened as a checkpoint"),
        ("a detector", "a model for detect"),  # which `gates` reads, with a data YAML
        ("no folder", "there is no image; give a folder with one folder of images per class"),
        ("empty folder", "there is no image; give a folder with one folder of images per class"),
        ("flat folder", "there is no image; give a folder with one folder of images per class"),
        ("empty file", "dark/2.png: is no image that can be read"),
        ("text file", "dark/2.png: is no image that can be read"),
        ("unknown class", "the model knows no class grey; its classes are dark, light"),
    ],
)
def test_bad_input_is_named(tmp_path, classifier, case, expected, verb):
    model, data = classifier, tmp_path / "data"
    if case == "no checkpoint":
        model = tmp_path / "none.pt"
    elif case == "a yaml":
        model = tmp_path / "model.yaml"
        model.write_text(yaml())
    elif case == "a damaged checkpoint":
        model = tmp_path / "damaged.pt"
        model.write_bytes(classifier.read_bytes()[:1000])
    elif case == "a detector":
        model = checkpoint(tmp_path, stock("yolov8.yaml"))
    elif case == "flat folder":
        draw(tmp_path, data=20)
    elif case == "empty folder":
        (data / "dark").mkdir(parents=True)
    elif case in ("empty file", "text file"):
        draw(data, dark=20)
        (data / "dark" / "2.png").write_text("" if case == "empty file" else "no picture")
    elif case == "unknown class":
        draw(data, dark=20, grey=100)
    named = [str(model)] if verb == "gates" else ["--model", str(model)]
    error = CliRunner().invoke(app, [verb, *named, "--data", str(data)]).exception
    assert isinstance(error, FileNotFoundError | ValueError) and expected in str(error)
    assert not list(tmp_path.glob("*-*"))  # no results


def test_bad_input_ends_the_command_in_one_line(tmp_path, monkeypatch, capsys):
    arguments = ["rotation", "--model", tmp_path / "none.pt", "--data", tmp_path]
    monkeypatch.setattr(sys, "argv", ["yolo-attn", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.startswith("yolo-attn: ") and len(error.splitlines()) == 1
