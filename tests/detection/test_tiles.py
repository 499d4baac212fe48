"""Detection on tiles: SAHI's boxes where settings are SAHI's, the border rule, both merges, and pictures of any size."""

import weakref
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import cv2
import numpy as np
import pytest
from PIL import Image

from yolo_attn.detection.adaptive_tiles import AdaptiveDetector, worthwhile_tiles
from yolo_attn.detection.detections import Detections
from yolo_attn.detection.detector import Detector, ModelInfo
from yolo_attn.detection.opening import open_detector
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.sources import Picture, files, read_image
from yolo_attn.detection.sources import pictures as stream_of
from yolo_attn.detection.stream import detect_stream
from yolo_attn.detection.tile_merging import cut_but_whole_elsewhere, joined, merge_repeated, suppress_repeated
from yolo_attn.detection.tiled_detector import TiledDetector, TileSettings
from yolo_attn.tiling import TileGrid


def rows_of(detections: Detections) -> np.ndarray:
    """Rows of box, score and class, in an order that does not depend on that of the detections."""
    rows = np.c_[detections.boxes, detections.scores, detections.classes].astype(np.float64)
    return rows[np.lexsort(rows.T[[3, 2, 1, 0, 5, 4]])]


def detections(*rows) -> Detections:
    """Rows of left, top, right, bottom, score and class."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


@pytest.fixture(autouse=True)
def pillows_limit(monkeypatch):
    """Undo what SAHI does to Pillow's limit of pixels for the whole process."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


def by_sahi(file: Path, path: Path, tile: int, merge: str, settings: DetectionSettings) -> np.ndarray:
    sahi = pytest.importorskip("sahi", reason="SAHI is in the extra `test`")
    from sahi.predict import get_sliced_prediction

    model = sahi.AutoDetectionModel.from_pretrained(
        "ultralytics", str(file), confidence_threshold=settings.conf, device="cpu", image_size=settings.imgsz
    )
    model.model.overrides["max_det"] = settings.max_det  # its adapter leaves Ultralytics' 300
    kind, metric = {"nms": ("NMS", "IOU"), "greedy": ("GREEDYNMM", "IOS")}[merge]
    result = get_sliced_prediction(
        str(path),
        model,
        tile,
        tile,
        perform_standard_pred=False,
        postprocess_type=kind,
        postprocess_match_metric=metric,
        force_postprocess_type=True,
        verbose=0,
    )
    found = [(*entry.bbox.to_xyxy(), entry.score.value, entry.category.id) for entry in result.object_prediction_list]
    return rows_of(detections(*found))


@pytest.mark.parametrize("merge", ["nms", "greedy"])
@pytest.mark.parametrize("kind", ["pt", "dynamic"])
def test_boxes_are_those_of_sahi(exported, checkpoint, pictures, kind, merge):
    file = exported.get(kind, checkpoint)
    settings = DetectionSettings(imgsz=160, conf=0.85, max_det=3000)
    tiles = TileSettings(TileGrid(400), whole=False, keep_cut=True, merge=merge)
    detector = open_detector(file, settings, batch=1, device="cpu", tiles=tiles)
    for name in ("bus.jpg", "grey.png"):
        expected = by_sahi(file, pictures / name, 400, merge, settings)
        found = rows_of(detector([read_image(pictures / name)])[0])
        assert len(found) == len(expected) > 100
        assert len(np.unique(expected[:, 4])) < len(expected)  # some scores are equal
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def crowd(seed: int, count: int) -> Detections:
    """Boxes in clusters, on whole pixels so that overlaps meet the threshold exactly, with few different scores."""
    draws = np.random.default_rng(seed)
    corner = draws.integers(0, 60, (count, 2))
    boxes = np.hstack([corner, corner + draws.integers(0, 16, (count, 2))]).astype(np.float32)
    boxes[::5] = boxes[0]
    return Detections(boxes, draws.integers(1, 9, count).astype(np.float32) / 8, draws.integers(0, 3, count))


@pytest.mark.parametrize("threshold", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_merging_is_that_of_sahi_with_equal_scores_and_overlaps_at_the_threshold(seed, threshold):
    pytest.importorskip("sahi", reason="SAHI is in the extra `test`")
    from sahi.postprocess.combine import GreedyNMMPostprocess, NMSPostprocess
    from sahi.prediction import ObjectPrediction

    boxes = crowd(seed, 150)
    entries = [
        ObjectPrediction(box.tolist(), int(index), "", score=float(score))
        for box, score, index in zip(boxes.boxes, boxes.scores, boxes.classes, strict=True)
    ]
    for ours, theirs, metric in (
        (suppress_repeated, NMSPostprocess, "IOU"),
        (merge_repeated, GreedyNMMPostprocess, "IOS"),
    ):
        kept = theirs(match_threshold=threshold, match_metric=metric, class_agnostic=False)([*entries])
        rows = [(*entry.bbox.to_xyxy(), entry.score.value, entry.category.id) for entry in kept]
        np.testing.assert_array_equal(rows_of(ours(boxes, threshold, 1000)), rows_of(detections(*rows)))


def test_of_repeated_boxes_the_best_of_its_class_stays_or_grows():
    # The second box shares 5 x 10 with the first: IoU 50 / 150, and half of each. The third is of another class.
    boxes = detections((5, 0, 15, 10, 0.8, 0), (0, 0, 10, 10, 0.9, 0), (0, 0, 10, 10, 0.7, 1))
    assert rows_of(suppress_repeated(boxes, 0.34, 9))[:, 0].tolist() == [0, 5, 0]
    assert suppress_repeated(boxes, 0.33, 9).scores.tolist() == [np.float32(0.9), np.float32(0.7)]
    assert suppress_repeated(boxes, 0.33, 1).scores.tolist() == [np.float32(0.9)]
    grown = merge_repeated(boxes, 0.5, 9)
    assert grown.boxes.tolist() == [[0, 0, 15, 10], [0, 0, 10, 10]]
    assert grown.scores.tolist() == [np.float32(0.9), np.float32(0.7)]
    assert merge_repeated(boxes, 0.51, 9).boxes.tolist() == [[0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 10, 10]]
    assert len(merge_repeated(detections(), 0.5, 9)) == len(suppress_repeated(detections(), 0.5, 9)) == 0


def test_a_box_is_dropped_if_an_inner_border_cuts_it_and_another_tile_holds_it_whole():
    # Two tiles of 100 x 100 over 180 x 100: the inner borders are at 100 (of the first) and at 80 (of the second).
    windows = TileGrid(100).windows(100, 180)
    assert windows.tolist() == [[0, 0, 100, 100], [80, 0, 180, 100]]
    boxes = np.array(
        [
            [85, 10, 100, 20],  # cut at 100, whole on the second
            [70, 10, 100, 20],  # cut by both
            [85, 10, 95, 20],  # cut by none
            [0, 0, 10, 100],  # touches borders of the picture only
            [85, 0, 99, 100],  # within the margin of 100
            [81, 0, 100, 100],  # within the margin of 80, too
        ],
        np.float32,
    )
    assert cut_but_whole_elsewhere(boxes, 0, windows, 100, 180).tolist() == [True, False, False, False, True, False]
    assert cut_but_whole_elsewhere(boxes[:0], 0, windows, 100, 180).tolist() == []


class Marks(Detector):
    """Finds the white pixels' bounding box in each image, as a network would with a perfect eye; counts its batches."""

    def __init__(self, batch: int = 4, stride: int = 32, size: int = 64, at_once: int = 1):
        info = ModelInfo({0: "mark"}, (size, size), stride, 1, True)
        super().__init__(Path("marks.pt"), info, DetectionSettings(max_det=5), at_once, batch)
        self.batches: list[tuple[int, ...]] = []

    def _detect(self, padded, settings):
        self.batches.append((len(padded), *padded[0].shape[:2]))
        return [self._mark(image) for image in padded]

    @staticmethod
    def _mark(image: np.ndarray) -> Detections:
        rows, columns = np.nonzero((image == 255).all(2))
        if not len(rows):
            return detections()
        return detections((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.5, 0))


def marked(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """A black picture with white boxes."""
    image = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = 255
    return image


def test_boxes_of_tiles_lie_where_they_are_on_the_picture():
    detector = TiledDetector(Marks(), TileSettings(TileGrid(64, overlap=0.25), whole=False))
    boxes = [(3, 5, 13, 20), (100, 70, 120, 90)]
    (found,) = detector([marked(128, 160, *boxes)])
    assert sorted(map(tuple, found.boxes.tolist())) == boxes


def test_parts_of_a_mark_at_an_inner_border_are_dropped_unless_asked_for():
    # Tiles start at 0 and 48: the mark of 56..80 is whole on the second, and cut at 64 on the first.
    image = marked(64, 112, (56, 10, 80, 20))
    for keep_cut, expected in ((False, [[56, 10, 80, 20]]), (True, [[56, 10, 64, 20], [56, 10, 80, 20]])):
        settings = TileSettings(TileGrid(64, overlap=0.25), whole=False, keep_cut=keep_cut)
        (found,) = TiledDetector(Marks(), settings)([image])
        assert sorted(found.boxes.tolist()) == expected


def test_the_whole_picture_finds_what_is_larger_than_a_tile():
    image = marked(128, 128, (4, 4, 124, 124))
    sizes = {}
    for whole in (True, False):
        (found,) = TiledDetector(Marks(), TileSettings(TileGrid(64, overlap=0.25), whole=whole))([image])
        sizes[whole] = max((found.boxes[:, 2:] - found.boxes[:, :2]).prod(1))
    assert sizes == {True: 120 * 120, False: 64 * 64}


def test_batches_are_filled_across_tiles_and_pictures():
    network = Marks(batch=4)
    tiles = TileSettings(TileGrid(64, overlap=0), whole=True)
    TiledDetector(network, tiles)([marked(128, 192), marked(192, 128), marked(64, 192)])  # 6 + 6 + 3 tiles
    # The whole pictures, scaled to 64 x 43, 43 x 64 and 22 x 64, are padded to multiples of 32.
    assert sorted(network.batches) == [(1, 32, 64), (1, 64, 64), *[(4, 64, 64)] * 4]


def test_the_tiles_of_one_picture_run_at_once():
    met = Barrier(2)

    class Waiting(Marks):
        def _detect(self, padded, settings):
            met.wait(timeout=30)  # raises unless a second batch is at work
            return super()._detect(padded, settings)

    detector = TiledDetector(Waiting(batch=1, at_once=2), TileSettings(TileGrid(64, overlap=0), whole=False))
    (found,) = detector([marked(64, 128, (3, 5, 13, 20), (100, 30, 110, 40))])
    assert sorted(found.boxes.tolist()) == [[3, 5, 13, 20], [100, 30, 110, 40]]


def test_only_a_few_pictures_are_held_however_many_there_are():
    held, most = 0, 0

    def read() -> np.ndarray:
        nonlocal held, most
        image = marked(128, 128, (3, 5, 13, 20))
        held += 1
        most = max(most, held)
        weakref.finalize(image, release)
        return image

    def release() -> None:
        nonlocal held
        held -= 1

    detector = TiledDetector(Marks(batch=2), TileSettings(TileGrid(64)))
    results = detect_stream(detector, (Picture(Path(f"{number}.png"), read) for number in range(100)))
    assert sum(len(result.detections) for result in results) == 100
    assert 2 <= most <= 8  # two chunks of two wait, one is read, one is handed out


@pytest.mark.parametrize("counts", [None, (3, 2)])
def test_pictures_of_any_size_are_taken_together(counts):
    detector = TiledDetector(Marks(), TileSettings(TileGrid(None if counts else 64, counts)))
    sizes = [(1, 1), (1, 500), (300, 2), (64, 64), (200, 150), (63, 65)]
    for (height, width), found in zip(sizes, detector([marked(*size) for size in sizes]), strict=True):
        assert len(found) == 0, (height, width)
    (found,) = detector([marked(1, 1, (0, 0, 1, 1))])
    assert found.boxes.tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("kind", ["pt", "dynamic", "fixed", "batch3"])
def test_a_picture_no_larger_than_a_tile_is_predicted_once_and_merged(exported, checkpoint, pictures, kind):
    file, settings = exported.get(kind, checkpoint), DetectionSettings(conf=0.9)
    image = read_image(pictures / "bus.jpg")
    (untiled,) = open_detector(file, settings, device="cpu")([image])
    (found,) = open_detector(file, settings, device="cpu", tiles=TileSettings(TileGrid(1080)))([image])
    expected = suppress_repeated(joined([untiled]), 0.5, 300)
    assert len(expected) > 20
    np.testing.assert_allclose(rows_of(found), rows_of(expected), rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", ["dynamic", "fixed", "batch3"])
def test_no_more_boxes_are_found_than_asked_for(exported, pictures, kind):
    settings = DetectionSettings(conf=0.001, max_det=50, multi_label=True)
    tiles = TileSettings(TileGrid(400))
    (found,) = open_detector(exported[kind], settings, tiles=tiles)([read_image(pictures / "bus.jpg")])
    assert len(found) == 50
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("apply_exif", [True, False])
def test_a_rotated_picture_is_cut_as_it_is_read(exported, pictures, tmp_path, apply_exif):
    from PIL import Image

    with Image.open(pictures / "bus.jpg") as image:  # 810 x 1080
        note = Image.Exif()
        note[0x0112] = 6  # to be rotated by a quarter
        image.save(tmp_path / "rotated.jpg", exif=note)
    settings = DetectionSettings(conf=0.8, apply_exif=apply_exif)
    detector = open_detector(exported["dynamic"], settings, tiles=TileSettings(TileGrid(600)))
    (detected,) = detect_stream(detector, stream_of(files(tmp_path), apply_exif))
    size = (810, 1080) if apply_exif else (1080, 810)
    assert detected.image.shape[:2] == size
    assert (detected.detections.boxes.max(0)[2:] <= size[::-1]).all()
    stored = read_image(tmp_path / "rotated.jpg", apply_exif=False)
    (expected,) = detector([cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE) if apply_exif else stored])
    np.testing.assert_array_equal(rows_of(detected.detections), rows_of(expected))


@pytest.mark.parametrize("size", [1, 31])
def test_tiles_below_the_stride_are_refused(size):
    with pytest.raises(
        ValueError, match=rf"marks.pt: tiles of {size} pixels are smaller than the model's stride of 32"
    ):
        TiledDetector(Marks(), TileSettings(TileGrid(size)))


@pytest.mark.parametrize("values", [{"merge": "mean"}, {"merge_threshold": 0.0}, {"merge_threshold": 1.1}])
def test_a_merge_that_cannot_be_is_refused(values):
    with pytest.raises(ValueError, match=r"tiles: merge .* is nms or greedy, its threshold is above 0 and at most 1"):
        TileSettings(TileGrid(64), **values)


def test_an_image_of_another_kind_is_refused():
    detector = TiledDetector(Marks(), TileSettings(TileGrid(64)))
    for image in (np.zeros((8, 8), np.uint8), np.zeros((0, 8, 3), np.uint8), np.zeros(8, np.uint8)):
        with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
            detector([image])


def test_tiles_are_placed_where_the_coarse_pass_found_most():
    # 300 x 100 in tiles of 100 without overlap: three, of which one may run. Scores: 0.9 left, 0.5 + 0.6 at 180 to 240.
    coarse = detections((10, 10, 20, 20, 0.9, 0), (190, 10, 200, 20, 0.5, 0), (220, 50, 230, 60, 0.6, 1))
    grid = TileGrid(100, overlap=0)
    (window,) = worthwhile_tiles(coarse, grid, 0.4, 100, 300).tolist()
    assert window[0] <= 185 and window[2] >= 235  # with half a box of context around them
    both = worthwhile_tiles(coarse, grid, 0.7, 100, 300)
    assert both[0].tolist() == window
    assert both[1, 0] <= 5
    assert len(worthwhile_tiles(coarse, grid, 1, 100, 300)) == 2  # nothing is left for a third
    assert worthwhile_tiles(detections(), grid, 1, 100, 300).shape == (0, 4)
    assert worthwhile_tiles(coarse, grid, 1, 100, 100).shape == (0, 4)  # one tile is the whole picture


def test_the_adaptive_detector_runs_no_more_tiles_than_asked_for_and_finds_what_is_there():
    network = Marks(batch=50)
    detector = AdaptiveDetector(network, TileSettings(TileGrid(64, overlap=0), adaptive=0.25))
    image = marked(256, 256, (100, 100, 112, 112))
    (found,) = detector([image])
    # Sixteen tiles would cover the picture; one holds all that the whole picture, at 3/8 of its size, shows.
    assert network.batches == [(1, 96, 96), (1, 64, 64)]
    assert found.boxes.tolist() == [[100, 100, 112, 112]]
    assert detector.input_pixels(256, 256) == 4 * 64 * 64 + 96 * 96
    assert [len(entry) for entry in detector([marked(1, 1), marked(30, 500), image])] == [0, 0, len(found)]


@pytest.mark.parametrize(
    ("side", "dynamic", "coarse"),
    [
        (256, True, 96),  # 1.5 times the input of a tile
        (256, False, 64),  # the network takes nothing else
        (80, True, 96),  # 1.25 times would be the scale of the tiles; the stride rounds it up
        (64, True, 64),  # one tile
    ],
)
def test_the_coarse_pass_is_larger_than_a_tile_where_the_network_and_the_picture_allow_it(side, dynamic, coarse):
    network = Marks()
    network.info = replace(network.info, dynamic=dynamic)
    detector = AdaptiveDetector(network, TileSettings(TileGrid(64, overlap=0), adaptive=0.1))
    detector([marked(side, side)])
    assert network.batches == [(1, coarse, coarse)]
    tiles = {256: 1, 80: 0, 64: 0}[side]  # a tenth of sixteen, four and one
    assert detector.input_pixels(side, side) == coarse**2 + tiles * 64**2


def test_the_coarse_pass_looks_below_conf_and_its_low_scores_are_not_handed_out(exported, pictures):
    image = read_image(pictures / "bus.jpg")
    tiles = TileSettings(TileGrid(400), adaptive=0.5)
    (found,) = open_detector(exported["dynamic"], DetectionSettings(conf=0.97), tiles=tiles)([image])
    assert len(found)
    assert found.scores.min() > 0.97


@pytest.mark.parametrize("values", [{"adaptive": 0.0}, {"adaptive": 1.1}, {"adaptive": 0.5, "whole": False}])
def test_a_share_of_tiles_that_cannot_be_is_refused(values):
    with pytest.raises(
        ValueError, match=r"adaptive is a share of the tiles, above 0 and at most 1, and needs the pass"
    ):
        TileSettings(TileGrid(64), **values)
