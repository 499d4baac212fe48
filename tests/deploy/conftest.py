"""The exported detector of the detection tests."""

from tests.detection.conftest import awaken, detector, exported, photographs, pictures  # noqa: F401
