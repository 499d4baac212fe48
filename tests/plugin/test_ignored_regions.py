"""Training images are gray inside ignored regions with `ignored: fill`, and everything else is as without the key."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from torch.utils.data import DataLoader
from ultralytics import YOLO
from ultralytics.cfg import get_cfg
from ultralytics.data import build_yolo_dataset
from ultralytics.data.utils import check_det_dataset
from ultralytics.models.rtdetr.val import RTDETRDataset

from yolo_attn.plugin.ignored_regions import GRAY, fill

WIDTH, HEIGHT = 64, 48
REGION = "0.25 0.5 0.25 0.5\n"  # x 8..24 of 64, y 12..36 of 48
INSIDE = np.s_[12:36, 8:24]
PLAIN = {"hsv_h": 0, "hsv_s": 0, "hsv_v": 0, "translate": 0, "scale": 0, "fliplr": 0, "mosaic": 0}


@pytest.fixture
def data(tmp_path) -> dict:
    """A data set of eight noise pictures with an ignored region each, without the key."""
    rng = np.random.default_rng(0)
    for part in ("images", "labels", "ignored"):
        (tmp_path / part).mkdir()
    for i in range(8):
        noise = rng.integers(0, 100, (HEIGHT, WIDTH, 3), np.uint8)  # never gray
        assert cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), noise)
        (tmp_path / "labels" / f"{i}.txt").write_text("0 0.75 0.5 0.125 0.25\n")
        (tmp_path / "ignored" / f"{i}.txt").write_text(REGION)
    content = {"path": str(tmp_path), "train": "images", "val": "images", "names": ["car"]}
    (tmp_path / "plain.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "fill.yaml").write_text(yaml.safe_dump(content | {"ignored": "fill"}))
    return check_det_dataset(str(tmp_path / "plain.yaml"))


def dataset(data: dict, mode: str = "train", **settings):
    settings = {"imgsz": WIDTH, "task": "detect", **PLAIN, **settings}
    return build_yolo_dataset(get_cfg(overrides=settings), data["train"], 2, data, mode=mode, stride=32)


def pixels(data: dict, **settings) -> list[np.ndarray]:
    """Record each image as the augmentations receive it."""
    built = dataset(data, **settings)
    return [built.load_image(i)[0].copy() for i in range(len(built))]


def originals(data: dict) -> list[np.ndarray]:
    return [cv2.imread(str(path)) for path in sorted(Path(data["train"]).glob("*.png"))]


def test_pixels_inside_regions_are_gray_and_labelled_boxes_stay():
    image = np.zeros((4, 10, 3), np.uint8)
    regions = np.array([[0.3, 0.5, 0.6, 1.0], [1.0, 0.0, 0.2, 0.5]])  # x 0..6, all rows; x 9..11, y -1..1
    fill(image, regions, labelled=np.array([[0.5, 0.25, 0.2, 0.5]]))  # x 4..6, y 0..2
    gray = ["1111000001", "1111000000", "1111110000", "1111110000"]
    assert (image == GRAY * np.array([[int(cell) for cell in row] for row in gray])[..., None]).all()


@pytest.mark.parametrize("settings", [{}, {"cache": "ram"}, {"cache": "disk"}, {"rect": True}], ids=str)
def test_training_images_are_gray_inside_their_regions_and_as_before_outside(data, settings):
    for built in (pixels(data | {"ignored": "fill"}, **settings) for _ in range(2)):  # the second finds the cache
        for image, expected in zip(built, originals(data), strict=True):
            assert (image[INSIDE] == GRAY).all()
            expected[INSIDE] = GRAY
            np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("settings", [{}, {"cache": "ram"}, {"cache": "disk"}], ids=str)
def test_a_run_without_the_key_sees_no_gray_also_from_the_cache_of_a_run_with_it(data, settings):
    pixels(data | {"ignored": "fill"}, **settings)
    for image, expected in zip(pixels(data, **settings), originals(data), strict=True):
        np.testing.assert_array_equal(image, expected)
    for file in Path(data["train"]).glob("*.npy"):
        np.testing.assert_array_equal(np.load(file), cv2.imread(str(file.with_suffix(".png"))))


def test_without_the_key_the_data_set_is_stock_and_needs_no_regions(data):
    for file in (data["path"] / "ignored").iterdir():
        file.unlink()
    built = dataset(data)
    assert "load_image" not in vars(built)
    assert type(built).load_image.__module__ == "ultralytics.data.base"


def test_validation_sees_the_pictures_as_they_are(data):
    for image, expected in zip(pixels(data | {"ignored": "fill"}, mode="val"), originals(data), strict=True):
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    "settings", [{"mosaic": 1.0}, {"mosaic": 1.0, "mixup": 1.0, "scale": 0.5, "degrees": 10}], ids=str
)
def test_every_augmentation_sees_the_gray(data, settings):
    for file in (data["path"] / "ignored").iterdir():
        file.write_text("0.5 0.5 1 1\n")  # all of it
    for file in (data["path"] / "labels").iterdir():
        file.write_text("")
    built = dataset(data | {"ignored": "fill"}, **settings)
    assert all((sample["img"] == GRAY).all() for _ in range(3) for sample in built)
    assert not all((sample["img"] == GRAY).all() for sample in dataset(data, **settings))


def test_a_region_lies_where_it_should_in_resized_and_in_stretched_images(data):
    large = pixels(data | {"ignored": "fill"}, imgsz=2 * WIDTH)[0]
    assert large.shape[:2] == (2 * HEIGHT, 2 * WIDTH)
    assert (large == GRAY).all(2).sum() == 4 * 24 * 16
    assert (large[24:72, 16:48] == GRAY).all()
    hyp = get_cfg(overrides=PLAIN)
    built = RTDETRDataset(img_path=data["train"], imgsz=64, data=data | {"ignored": "fill"}, augment=True, hyp=hyp)
    stretched = built.load_image(0)[0]  # 64 x 64: y 16..48
    assert stretched.shape[:2] == (64, 64)
    assert (stretched[16:48, 8:24] == GRAY).all()
    assert (stretched == GRAY).all(2).sum() == 32 * 16


def test_spawned_workers_fill_too(data):
    built = dataset(data | {"ignored": "fill"}, batch=2)
    loader = DataLoader(built, 4, num_workers=1, collate_fn=built.collate_fn, multiprocessing_context="spawn")
    for batch in loader:
        images = batch["img"].numpy()  # letterboxed to 64 x 64: 8 rows above
        assert (images[:, :, 20:44, 8:24] == GRAY).all()
        assert (images[:, :, 20:44, 32:48] != GRAY).all()


@pytest.mark.parametrize("value", ["gray", True, 114, "", ["fill"]])
def test_another_value_of_the_key_is_refused(data, value):
    with pytest.raises(ValueError, match=r"plain\.yaml: ignored is .*; the only value is fill"):
        dataset(data | {"ignored": value})


def test_missing_regions_are_named(data):
    for stem in "36":
        (data["path"] / "ignored" / f"{stem}.txt").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"ignored.3\.txt: not there, nor those of 1 other of 8 training images"
    ):
        dataset(data | {"ignored": "fill"})


@pytest.mark.parametrize("row", ["0.5 0.5 0.1", "0 0.5 0.5 0.1 0.1", "0.5 0.5 0.1 x", "30 40 10 10", "nan 0.5 0.1 0.1"])
def test_a_damaged_row_is_named_with_its_line(data, row):
    (data["path"] / "ignored" / "3.txt").write_text(f"{REGION}\n{row}\n")
    with pytest.raises(ValueError, match=r"3\.txt, line 3: .*a row is x y width height"):
        dataset(data | {"ignored": "fill"})


def test_a_training_and_its_resumption_fill_and_a_missing_file_stops_before_the_first_batch(data, tmp_path):
    seen = []

    def look(trainer):
        images = [trainer.train_loader.dataset.load_image(i)[0] for i in range(8)]
        seen.append(all((image[INSIDE] == GRAY).all() for image in images))
        assert not (trainer.test_loader.dataset.load_image(0)[0] == GRAY).any()

    def stop(trainer):
        if len(seen) == 1 and trainer.epoch == 0:
            raise KeyboardInterrupt

    def train(**settings):
        model = YOLO(settings.pop("model", "yolov8n.yaml"))
        model.add_callback("on_train_start", look)
        model.add_callback("on_model_save", stop)
        place = {"project": str(tmp_path / "runs"), "name": "run", "exist_ok": True}
        quiet = {"epochs": 2, "imgsz": 64, "batch": 4, "device": "cpu", "workers": 0, "plots": False, "amp": False}
        model.train(data=str(tmp_path / "fill.yaml"), **(settings or place | quiet))

    with pytest.raises(KeyboardInterrupt):
        train()
    train(model=str(tmp_path / "runs" / "run" / "weights" / "last.pt"), resume=True)
    assert seen == [True, True]
    (tmp_path / "ignored" / "3.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"3\.txt: not there"):
        train()
    assert len(seen) == 2
