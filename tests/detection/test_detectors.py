"""The detector without torch finds what Ultralytics' predict finds with the same file, and refuses what it cannot run."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from ultralytics import YOLO
from ultralytics.utils.nms import non_max_suppression

from scripts.reproduce.parity import randomise_weights
from yolo_attn.detection.letterbox import letterbox
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.opening import open_detector
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.sources import UnreadableError, files, read_image
from yolo_attn.detection.sources import pictures as stream_of
from yolo_attn.detection.stream import detect_stream

PIXELS, SCORE = 0.5, 1e-3
kinds_of_file = pytest.mark.parametrize("kind", ["dynamic", "fixed"])


def by_ultralytics(file, paths, **settings) -> list[np.ndarray]:
    model = YOLO(file, task="detect")
    return [model.predict(str(path), verbose=False, **settings)[0].boxes.data.numpy() for path in paths]


def rows_of(detections) -> np.ndarray:
    return np.c_[detections.boxes, detections.scores, detections.classes]


def assert_same_boxes(detections, expected):
    assert len(detections) == len(expected)
    assert detections.classes.tolist() == expected[:, 5].tolist()
    np.testing.assert_allclose(detections.boxes, expected[:, :4], rtol=0, atol=PIXELS)
    np.testing.assert_allclose(detections.scores, expected[:, 4], rtol=0, atol=SCORE)


@pytest.mark.parametrize("conf", [0.25, 0.05])
@kinds_of_file
def test_boxes_are_those_of_ultralytics(exported, pictures, kind, conf):
    paths = files(pictures)
    detector = OnnxDetector(exported[kind], DetectionSettings(conf=conf, max_det=1000))
    expected = by_ultralytics(exported[kind], paths, imgsz=256, conf=conf, max_det=1000)
    assert max(map(len, expected)) > 50
    for path, boxes in zip(paths, expected, strict=True):
        assert_same_boxes(detector([read_image(path)])[0], boxes)


def test_a_file_of_dynamic_size_takes_another_one(exported, photographs):
    detector = OnnxDetector(exported["dynamic"], DetectionSettings(imgsz=(160, 330)))
    expected = by_ultralytics(exported["dynamic"], photographs, imgsz=[160, 352])
    for path, boxes in zip(photographs, expected, strict=True):
        assert_same_boxes(detector([read_image(path)])[0], boxes)


@pytest.mark.parametrize(("kind", "batch"), [("dynamic", 1), ("dynamic", 4), ("fixed", 1), ("batch3", 1)])
def test_a_batch_gives_what_its_images_give_alone(exported, pictures, kind, batch):
    images = [read_image(path) for path in files(pictures)]
    single = OnnxDetector(exported[kind])
    together = OnnxDetector(exported[kind], batch=batch)(images)
    for image, detections in zip(images, together, strict=True):
        (expected,) = single([image])
        assert_same_boxes(detections, rows_of(expected))


def test_several_classes_a_box_are_those_that_val_scores(exported, photographs):
    image = read_image(photographs[0])
    place = letterbox(image.shape[:2], (256, 256), None)
    detector = OnnxDetector(exported["fixed"], DetectionSettings(conf=0.2, max_det=5000, multi_label=True))
    blob = torch.from_numpy(place.apply(image)[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    output = detector._session.run(None, {"images": blob.numpy()})[0]
    (expected,) = non_max_suppression(
        torch.from_numpy(output), 0.2, 0.7, multi_label=True, max_det=5000, max_time_img=99
    )
    expected[:, :4] = torch.from_numpy(place.undo(expected[:, :4].numpy()))
    (detections,) = detector([image])
    assert len(detections) > len(OnnxDetector(exported["fixed"], DetectionSettings(conf=0.2, max_det=5000))([image])[0])
    assert_same_boxes(detections, expected.numpy())


@pytest.mark.parametrize("nms_inside", [False, True], ids=["one-to-one head", "NMS inside the file"])
def test_files_that_need_no_nms_are_read_as_they_are(tmp_path, monkeypatch, photographs, checkpoint, nms_inside):
    monkeypatch.chdir(tmp_path)
    yolo = YOLO(checkpoint if nms_inside else "yolo26n-ema.yaml")
    if not nms_inside:
        randomise_weights(yolo.model)
    yolo.save("one.pt")
    arguments = {"nms": True, "conf": 0.3} if nms_inside else {"nms": False}  # False asks for the head without NMS
    file = YOLO("one.pt").export(format="onnx", imgsz=128, verbose=False, **arguments)
    assert onnx.load(file).graph.output[0].type.tensor_type.shape.dim[2].dim_value == 6
    conf = 0.35 if nms_inside else 0.01
    expected = by_ultralytics(file, photographs, imgsz=128, conf=conf)
    assert len(expected[0])
    for path, boxes in zip(photographs, expected, strict=True):
        assert_same_boxes(OnnxDetector(file, DetectionSettings(conf=conf))([read_image(path)])[0], boxes)


def test_a_stream_keeps_the_order_and_goes_on_after_a_picture_that_is_none(exported, pictures, tmp_path):
    names = ["a.jpg", "b.jpg", "c.jpg", "d.png"]
    bus = (pictures / "bus.jpg").read_bytes()
    for name, content in zip(names, [bus, b"no image", bus, b""], strict=True):
        (tmp_path / name).write_bytes(content)
    detector = OnnxDetector(exported["dynamic"], at_once=2, batch=2)
    a, b, c, d = detect_stream(detector, stream_of(files(tmp_path)))
    assert (a.picture.path.name, c.picture.path.name) == ("a.jpg", "c.jpg")
    assert isinstance(b, UnreadableError) and str(b).startswith(str(tmp_path / "b.jpg"))
    assert isinstance(d, UnreadableError) and str(d).startswith(str(tmp_path / "d.png"))
    assert len(a.detections) > 5
    assert_same_boxes(a.detections, rows_of(c.detections))


def with_metadata(source: Path, file: Path, **entries) -> Path:
    """A copy of an ONNX file with other metadata; None removes an entry."""
    model = onnx.load(source)
    about = {entry.key: entry.value for entry in model.metadata_props} | entries
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: value for key, value in about.items() if value is not None})
    onnx.save(model, file)
    return file


def assert_one_line_about(file: Path, message: str, **settings) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        open_detector(file, DetectionSettings(**settings))
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["bad.onnx", "bad.pt", "bad.torchscript"])
@pytest.mark.parametrize("kind", ["cut", "empty", "text"])
def test_a_damaged_model_gets_one_clear_line(exported, checkpoint, tmp_path, name, kind):
    whole = (checkpoint if name == "bad.pt" else exported["fixed"]).read_bytes()
    file = tmp_path / name
    file.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no model\n" * 99}[kind])
    assert_one_line_about(file, "cannot open it" if kind != "cut" or name != "bad.onnx" else "damaged, cut off")


def test_a_yaml_file_is_no_model(tmp_path):
    (tmp_path / "yolov5n.yaml").write_text("nc: 10\n")
    assert_one_line_about(tmp_path / "yolov5n.yaml", "holds no weights; give a checkpoint")


@pytest.mark.parametrize("name", ["gone.onnx", "gone.pt", "folder.onnx", "folder.pt"])
def test_a_model_that_is_no_file_is_named(tmp_path, name):
    if "folder" in name:
        (tmp_path / name).mkdir()
    assert_one_line_about(
        tmp_path / name, {"gone": "not there", "folder": "a folder|cannot open it"}[name.split(".")[0]]
    )


@pytest.mark.parametrize(
    ("kind", "entries", "message"),
    [
        (
            "fixed",
            dict.fromkeys(("names", "imgsz", "stride", "task")),
            "has no names, imgsz, stride, task in its metadata",
        ),
        ("fixed", {"task": "segment"}, "is a model for segment; give one for detect"),
        ("fixed", {"names": "{0: 'car'"}, "its metadata cannot be read"),
        ("fixed", {"names": "['car']"}, "its metadata cannot be read"),
        ("fixed", {"imgsz": "[256]"}, "its metadata cannot be read"),
        ("fixed", {"names": "{0: 'car', 1: 'bus'}"}, "scores 10 classes, its metadata names 2"),
        ("dynamic", {"names": "{0: 'car', 1: 'bus'}"}, "scores 10 classes, its metadata names 2"),
        ("dynamic", {"names": "{}"}, "scores 10 classes, its metadata names 0"),
        ("fixed", {"batch": "0"}, "batch 0; all are at least 1"),
        ("dynamic", {"batch": "0"}, "batch 0; all are at least 1"),
        ("fixed", {"imgsz": "[0, 0]"}, "imgsz 0 x 0,.* at least 1"),
        ("dynamic", {"imgsz": "[0, 0]"}, "imgsz 0 x 0,.* at least 1"),
        ("dynamic", {"stride": "-32"}, "stride -32,.* at least 1"),
        ("fixed", {"stride": "-32"}, "stride -32,.* at least 1"),
        ("fixed", {"imgsz": "[128, 256]"}, "takes 1 images of 256 x 256, its metadata says 1 of 128 x 256"),
        ("batch3", {"batch": "2"}, "takes 3 images of 192 x 256, its metadata says 2 of 192 x 256"),
    ],
)
def test_an_onnx_file_whose_metadata_cannot_be_is_refused(exported, tmp_path, kind, entries, message):
    assert_one_line_about(with_metadata(exported[kind], tmp_path / "other.onnx", **entries), message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"conf": 1.5}, "conf and iou lie in 0..1"),
        ({"iou": -1}, "conf and iou lie in 0..1"),
        ({"max_det": 0}, "max_det is at"),
        ({"imgsz": 0}, "imgsz 0: height and width are at least 32"),
        ({"imgsz": (64, -64)}, "height and width are at least 32"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        DetectionSettings(**settings)


@pytest.mark.parametrize("imgsz", [320, 96, (256, 128)])
def test_a_file_of_fixed_size_takes_no_other(exported, imgsz):
    assert_one_line_about(exported["fixed"], "has the fixed size 256 x 256, not", imgsz=imgsz)


@pytest.mark.parametrize("name", ["dynamic", "pt"])
def test_a_size_is_rounded_up_to_the_stride(exported, checkpoint, name):
    file = exported.get(name, checkpoint)
    assert open_detector(file, DetectionSettings(imgsz=(160, 330))).imgsz == (160, 352)
    assert open_detector(file, DetectionSettings(imgsz=33)).imgsz == (64, 64)


def test_an_image_of_another_kind_is_refused(exported):
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        OnnxDetector(exported["fixed"])([np.zeros((8, 8), np.float32)])


@pytest.mark.slow
def test_memory_stays_flat_over_two_thousand_images(exported, photographs, tmp_path):
    psutil = pytest.importorskip("psutil")
    for number in range(50):
        (tmp_path / f"{number:02}.jpg").write_bytes(photographs[number % 2].read_bytes())
    paths = files(tmp_path) * 40
    process, sizes = psutil.Process(), []
    for number, _ in enumerate(detect_stream(OnnxDetector(exported["dynamic"], at_once=2), stream_of(paths))):
        if number % 100 == 99:
            sizes.append(process.memory_info().rss / 2**20)
    assert len(sizes) == 20
    assert max(sizes[10:]) - max(sizes[:10]) < 20, (
        sizes
    )  # MiB; the 1,000 images of the second half are 4,600 MiB decoded
