"""The predictor without torch finds what Ultralytics' predict finds with the same file, and refuses what it cannot run."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from torchvision.ops import nms as reference_nms
from ultralytics import YOLO
from ultralytics.utils.nms import non_max_suppression

from yolo_attn.detection import nms
from yolo_attn.detection.letterbox import letterbox
from yolo_attn.detection.onnx_detector import OnnxDetector
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.sources import UnreadableError, files, pictures, read_image

PIXELS, SCORE = 0.5, 1e-3
kinds_of_file = pytest.mark.parametrize("kind", ["dynamic", "fixed"])


def by_ultralytics(file, paths, **settings) -> list[np.ndarray]:
    model = YOLO(file, task="detect")
    return [model.predict(str(path), verbose=False, **settings)[0].boxes.data.numpy() for path in paths]


def assert_same_boxes(found, expected):
    assert len(found) == len(expected)
    assert found.classes.tolist() == expected[:, 5].tolist()
    np.testing.assert_allclose(found.boxes, expected[:, :4], rtol=0, atol=PIXELS)
    np.testing.assert_allclose(found.scores, expected[:, 4], rtol=0, atol=SCORE)


@pytest.mark.parametrize("conf", [0.25, 0.05])
@kinds_of_file
def test_boxes_are_those_of_ultralytics(exported, pictures, kind, conf):
    paths = files(pictures)
    predictor = OnnxDetector(exported[kind], DetectionSettings(conf=conf, max_det=1000))
    expected = by_ultralytics(exported[kind], paths, imgsz=256, conf=conf, max_det=1000)
    assert max(map(len, expected)) > 50
    for path, boxes in zip(paths, expected, strict=True):
        assert_same_boxes(predictor([read_image(path)])[0], boxes)


def test_a_file_of_dynamic_size_takes_another_one(exported, photographs):
    predictor = OnnxDetector(exported["dynamic"], DetectionSettings(imgsz=(160, 330)))
    expected = by_ultralytics(exported["dynamic"], photographs, imgsz=[160, 352])
    for path, boxes in zip(photographs, expected, strict=True):
        assert_same_boxes(predictor([read_image(path)])[0], boxes)


@pytest.mark.parametrize(("kind", "batch"), [("dynamic", 1), ("dynamic", 4), ("fixed", 1), ("batch3", 1)])
def test_a_batch_gives_what_its_images_give_alone(exported, pictures, kind, batch):
    images = [read_image(path) for path in files(pictures)]
    alone = OnnxDetector(exported[kind])
    together = OnnxDetector(exported[kind], batch=batch)(images)
    for image, found in zip(images, together, strict=True):
        (expected,) = alone([image])
        assert_same_boxes(found, np.c_[expected.boxes, expected.scores, expected.classes])


def test_several_classes_a_box_are_those_that_val_scores(exported, photographs):
    image = read_image(photographs[0])
    place = letterbox(image.shape[:2], (256, 256), None)
    predictor = OnnxDetector(exported["fixed"], DetectionSettings(conf=0.2, max_det=5000, multi_label=True))
    blob = torch.from_numpy(place.apply(image)[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    output = predictor._session.run(None, {"images": blob.numpy()})[0]
    (expected,) = non_max_suppression(
        torch.from_numpy(output), 0.2, 0.7, multi_label=True, max_det=5000, max_time_img=99
    )
    expected[:, :4] = torch.from_numpy(place.undo(expected[:, :4].numpy()))
    (found,) = predictor([image])
    assert len(found) > len(OnnxDetector(exported["fixed"], DetectionSettings(conf=0.2, max_det=5000))([image])[0])
    assert_same_boxes(found, expected.numpy())


@pytest.mark.parametrize("nms_inside", [False, True], ids=["one-to-one head", "NMS inside the file"])
def test_files_that_need_no_nms_are_read_as_they_are(tmp_path, monkeypatch, awaken, photographs, detector, nms_inside):
    monkeypatch.chdir(tmp_path)
    yolo = YOLO(detector if nms_inside else "yolo26n-ema.yaml")
    if not nms_inside:
        awaken(yolo.model)
    yolo.save("one.pt")
    arguments = {"nms": True, "conf": 0.3} if nms_inside else {"nms": False}  # False asks for the head without NMS
    file = YOLO("one.pt").export(format="onnx", imgsz=128, verbose=False, **arguments)
    assert onnx.load(file).graph.output[0].type.tensor_type.shape.dim[2].dim_value == 6
    conf = 0.35 if nms_inside else 0.01
    expected = by_ultralytics(file, photographs, imgsz=128, conf=conf)
    assert len(expected[0])
    for path, boxes in zip(photographs, expected, strict=True):
        assert_same_boxes(OnnxDetector(file, DetectionSettings(conf=conf))([read_image(path)])[0], boxes)


@pytest.mark.parametrize("seed", range(8))
def test_suppression_keeps_the_boxes_of_torchvision_also_with_equal_scores(seed):
    draws = np.random.default_rng(seed)
    clusters = draws.uniform(0, 600, (60, 2)).repeat(5, 0) + draws.normal(0, 4, (300, 2))
    halves = draws.uniform(3, 40, (60, 2)).repeat(5, 0) * draws.uniform(0.8, 1.2, (300, 2))
    boxes = np.concatenate([clusters - halves, clusters + halves], 1).astype(np.float32)
    scores, kinds = draws.random(300).astype(np.float32), draws.integers(0, 10, 60).repeat(5)
    scores[::7], boxes[1::9] = scores[0], boxes[1]
    apart = torch.from_numpy(boxes) + torch.from_numpy(kinds)[:, None] * 7680.0
    expected = reference_nms(apart, torch.from_numpy(scores), 0.7).tolist()
    assert len(expected) < 300
    assert nms.suppress(boxes, scores, kinds, 0.7).tolist() == expected


@pytest.mark.parametrize(
    ("size", "stride", "shape", "corner", "box"),
    [  # an image of 640 x 480 at half its size is 320 x 240; 16 rows are missing to 256, 80 to 320
        ((480, 640), 32, (256, 320), (8, 0), [20, 20, 40, 60]),
        ((480, 640), None, (320, 320), (40, 0), [20, 20, 40, 60]),
        ((640, 480), 32, (320, 256), (0, 8), [20, 20, 40, 60]),
    ],
)
def test_letterbox_places_the_image_in_the_middle_and_finds_boxes_again(size, stride, shape, corner, box):
    place = letterbox(size, (320, 320), stride)
    assert (place.shape, place.corner) == (shape, corner)
    padded = place.apply(np.full((*size, 3), 7, np.uint8))
    assert padded.shape == (*shape, 3)
    assert (padded[corner], padded[0, 0] if corner != (0, 0) else 0)[0].tolist() == [7, 7, 7]
    assert padded[0, 0].tolist() == [114, 114, 114]
    on_padded = np.array(box, np.float32) / 2 + [corner[1], corner[0]] * 2
    np.testing.assert_allclose(place.undo(on_padded[None].astype(np.float32)), [box], atol=1e-4)


def test_an_odd_row_of_padding_goes_below_and_boxes_outside_are_clipped():
    place = letterbox((95, 100), (100, 100), None)
    assert (place.corner, place.shape) == ((2, 0), (100, 100))
    np.testing.assert_array_equal(place.undo(np.array([[-9.0, 0, 200, 99]], np.float32)), [[0, 0, 100, 95]])


def test_a_stream_keeps_the_order_and_goes_on_after_a_picture_that_is_none(exported, pictures, tmp_path):
    names = ["a.jpg", "b.jpg", "c.jpg", "d.png"]
    bus = (pictures / "bus.jpg").read_bytes()
    for name, content in zip(names, [bus, b"no image", bus, b""], strict=True):
        (tmp_path / name).write_bytes(content)
    found = list(OnnxDetector(exported["dynamic"], at_once=2, batch=2).stream(tmp_path))
    assert [type(one) for one in found] == [Found, UnreadableError, Found, UnreadableError]
    assert [one.picture.path.name for one in found[::2]] == ["a.jpg", "c.jpg"]
    assert [
        str(one).startswith(str(tmp_path / name)) for one, name in zip(found[1::2], ["b.jpg", "d.png"], strict=True)
    ]
    assert_same_boxes(found[0].detections, np.c_[(d := found[2].detections).boxes, d.scores, d.classes])


def test_a_video_gives_its_frames_and_a_broken_one_is_named(tmp_path, photographs):
    frame = cv2.resize(cv2.imread(str(photographs[1])), (64, 48))
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        writer.write(frame)
    writer.release()
    (tmp_path / "cut.mp4").write_bytes(b"no video")
    broken, *frames = pictures([tmp_path / "cut.mp4", tmp_path / "film.avi"])
    assert [(one.frame, one.rate, one.read().shape) for one in frames] == [(n, 10.0, (48, 64, 3)) for n in (1, 2, 3)]
    with pytest.raises(UnreadableError, match=r"cut\.mp4: no video"):
        broken.read()


def damaged(source: Path, folder: Path, kind: str) -> Path:
    file = folder / f"{kind}.onnx"
    content = source.read_bytes()
    if kind == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "text":
        file.write_bytes(b"no model\n" * 99)
    elif kind != "missing":
        model = onnx.load(source)
        about = {entry.key: entry for entry in model.metadata_props}
        if kind == "foreign":
            del model.metadata_props[:]
        elif kind == "segment":
            about["task"].value = "segment"
        else:
            about["names"].value = "{0: 'car'"
        onnx.save(model, file)
    return file


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "cannot open it .* damaged, cut off, or no ONNX file"),
        ("empty", "cannot open it"),
        ("text", "cannot open it"),
        ("missing", "not there; give an ONNX file"),
        ("foreign", "no names, imgsz, stride, task in its metadata"),
        ("segment", "is a model for segment; this predictor knows detect only"),
        ("garbled", "its metadata cannot be read"),
    ],
)
def test_a_file_that_is_no_detector_gets_one_clear_line(exported, tmp_path, kind, message):
    file = damaged(exported["fixed"], tmp_path, kind)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        OnnxDetector(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"imgsz": 320}, "fixed size 256 x 256"),
        ({"conf": 1.5}, "conf and iou lie in 0..1"),
        ({"max_det": 0}, "max_det is at"),
    ],
)
def test_settings_that_do_not_fit_are_refused(exported, settings, message):
    with pytest.raises(ValueError, match=message):
        OnnxDetector(exported["fixed"], DetectionSettings(**settings))


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
    for number, _ in enumerate(OnnxDetector(exported["dynamic"], at_once=2).stream(pictures(paths))):
        if number % 100 == 99:
            sizes.append(process.memory_info().rss / 2**20)
    assert len(sizes) == 20
    assert max(sizes[10:]) - max(sizes[:10]) < 20, (
        sizes
    )  # MiB; the 1,000 images of the second half are 4,600 MiB decoded
