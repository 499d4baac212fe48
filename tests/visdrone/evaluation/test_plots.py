"""The figures and the gallery of an evaluation: what is drawn where."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.visdrone.evaluation.test_evaluate import frame, row
from yolo_attn.visdrone.evaluation import gallery, plots
from yolo_attn.visdrone.evaluation.evaluate import evaluate_submission
from yolo_attn.visdrone.evaluation.submission import Submission

HIT, MISS, FALSE_ALARM, REGION = (
    row(20, 20, 30, 20),
    row(80, 20, 30, 20),
    row(140, 20, 30, 20),
    row(20, 60, 30, 20, 0, 0),
)


def result_of(*frames):
    return evaluate_submission(Submission(frames, ()), details=True)


@pytest.fixture
def mixed():
    """One picture with a box of each kind, and one without an error."""
    bad = frame([HIT, MISS, REGION], [[*HIT[:4], 0.9, 4, 0, 0], [*FALSE_ALARM[:4], 0.8, 4, 0, 0]], "bad", (200, 120))
    return result_of(bad, frame([HIT], [HIT], "good", (200, 120)))


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for stem in ("bad", "good"):
        Image.new("RGB", (200, 120), "black").save(folder / f"{stem}.png")
    return folder


def test_the_gallery_shows_each_kind_of_box_in_its_colour_where_it_is(mixed):
    (picture,) = [picture for picture in mixed.errors.pictures if picture.stem == "bad"]
    drawn = gallery.draw(Image.new("RGB", (200, 120), "black"), picture)
    top = drawn.height - 120  # of the caption
    kinds = (gallery.HIT, HIT), (gallery.MISS, MISS), (gallery.FALSE_ALARM, FALSE_ALARM), (gallery.REGION, REGION)
    for colour, (left, upper, width, height, *_) in kinds:
        expected = tuple(bytes.fromhex(colour[1:]))
        corners = [(left, upper), (left + width - 3, upper + height)]
        border = [(x, upper) for x in range(left, left + width)]
        assert drawn.getpixel((corners[0][0], corners[0][1] + top)) == expected
        assert any(drawn.getpixel((x, y + top)) == expected for x, y in border)
    assert drawn.getpixel((100, 100 + top)) == (0, 0, 0)
    assert np.asarray(drawn)[:top].any()  # the caption


def test_the_gallery_holds_the_pictures_with_errors_only_the_worst_first(mixed, images, tmp_path):
    assert gallery.write(tmp_path / "out", mixed.errors, images) == ["worst-01.jpg"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["worst-01.jpg"]
    assert gallery.write(tmp_path / "none", mixed.errors, images, most=0) == []


def test_the_gallery_does_not_rotate_by_exif(mixed, images, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown rotated by 90 degrees
    Image.new("RGB", (200, 120)).save(images / "bad.jpg", exif=exif)
    (images / "bad.png").unlink()
    gallery.write(tmp_path / "out", mixed.errors, images)
    with Image.open(tmp_path / "out" / "worst-01.jpg") as image:
        assert image.width == 200


def test_figures_draw_a_curve_for_each_class_with_boxes_and_every_count(mixed, tmp_path):
    assert plots.write(tmp_path / "out", mixed) == ["precision-recall.png", "confusion.png"]
    for name in ("precision-recall.png", "confusion.png"):
        with Image.open(tmp_path / "out" / name) as image:
            assert min(image.size) > 500
    (axes,) = plots.precision_recall(mixed.curves, mixed.ap[:, 0]).axes
    assert [line.get_label().split(",")[0] for line in axes.lines] == ["car"]
    (axes,) = plots.confusion(mixed.errors).axes
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(3, 3): "2", (10, 3): "1", (3, 10): "1"}  # two hits, a miss, a false alarm


def test_plots_need_details(tmp_path):
    with pytest.raises(ValueError, match="details=True"):
        plots.write(tmp_path, evaluate_submission(Submission((frame([HIT], [HIT]),), ())))


def test_a_picture_with_boxes_beyond_its_borders_is_drawn(images, tmp_path):
    wild = [row(-50, -50, 1e9, 20, 0.9), row(190, 110, 80, 80, 0.8), row(5, 5, 0, 0, 0.7)]
    result = result_of(frame([row(1e300, 3, 4, 4)], wild, "bad", (200, 120)))
    assert gallery.write(tmp_path / "out", result.errors, images) == ["worst-01.jpg"]


def test_an_evaluation_with_details_needs_neither_torch_nor_matplotlib():
    code = """
import sys
for name in ("torch", "ultralytics", "matplotlib", "cv2"):
    sys.modules[name] = None
import numpy as np
from yolo_attn.visdrone.evaluation.evaluate import evaluate_submission
from yolo_attn.visdrone.evaluation.submission import Frame, Submission
box = np.array([[10.0, 10, 20, 20, 1, 4, 0, 0]])
print(evaluate_submission(Submission((Frame("a", 100, 80, box, box),), ()), details=True).by_size[2].AP)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert (done.returncode, done.stdout) == (0, "100.0\n"), done.stderr
