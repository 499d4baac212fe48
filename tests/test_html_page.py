"""Pages in one file."""

import base64

import cv2
import numpy as np
import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from yolo_attn.html_page import image_address, render

TEMPLATE = '{% extends "base.html" %}{% block body %}<p>{{ text }}</p>{% endblock %}'


@pytest.fixture
def template(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(TEMPLATE, encoding="utf-8")
    return file


def test_values_are_escaped_and_markup_is_not(template):
    hostile = "</style><script>alert(1)</script>"
    page = render(template, title=hostile, text=hostile)
    assert "<script>" not in page and page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "<p><b>é</b></p>" in render(template, title="", text=Markup("<b>é</b>"))


def test_a_value_that_is_not_given_is_an_error(template):
    with pytest.raises(UndefinedError, match="text"):
        render(template, title="")


def test_the_page_fits_a_phone_and_knows_a_dark_look(template):
    page = render(template, title="t", text="")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "prefers-color-scheme: dark" in page


def test_a_picture_is_held_by_its_address():
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 200  # red
    kind, data = image_address(image, ".png").split(",")
    assert kind == "data:image/png;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)  # blue, green, red
    assert decoded.tolist() == image[..., ::-1].tolist()


def test_a_lower_quality_makes_a_shorter_address():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert len(image_address(image, ".jpg", 20)) < len(image_address(image, ".jpg", 90))
