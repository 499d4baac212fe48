"""What the tests of the plug-in set up and undo."""

import pytest
from ultralytics.nn import tasks

import yolo_attn
from yolo_attn.layers import LAYERS


@pytest.fixture
def register():
    """`yolo_attn.register`, undone after the test."""
    names = []

    def register_layer(layer):
        yolo_attn.register(layer)
        names.append(layer.__name__)
        return layer

    yield register_layer
    for name in names:
        LAYERS.pop(name, None)
        vars(tasks).pop(name, None)
