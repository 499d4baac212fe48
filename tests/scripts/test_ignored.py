"""The score of a crowd inside ignored regions, by hand."""

import pytest

from scripts.reproduce.ignored import inside_regions


def test_objects_and_detections_of_the_crowd_count_where_their_centre_lies_in_a_region(tmp_path):
    contents = {
        "annotations": "50,0,50,100,0,0,0,0\n10,10,10,10,1,1,0,0\n",  # the right half is ignored
        # two pedestrians and a motor in the region, a car there, a pedestrian outside
        "truth": "60,10,10,10,1,1,0,0\n80,10,10,10,1,1,0,0\n60,50,10,10,1,10,0,0\n60,80,10,10,1,4,0,0\n10,10,10,10,1,1,0,0\n",
        # one pedestrian surely, the motor hardly, a car and the pedestrian outside, which do not count
        "detections": "10,10,10,10,0.95,1,-1,-1\n60,10,10,10,0.9,1,-1,-1\n60,80,10,10,0.8,4,-1,-1\n60,50,10,10,0.1,10,-1,-1\n",
    }
    for part, content in contents.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.txt").write_text(content)
    scores = inside_regions(tmp_path, tmp_path / "detections")
    assert scores["recall"] == pytest.approx(100 / 3)
    assert scores["all_recall"] == pytest.approx(200 / 3)
    # Motor: all of its one object. Pedestrian: precision 1 up to a recall of one half, then nothing; 101 points of the curve.
    assert scores["ap50"] == pytest.approx((99.5 + 50) / 2, abs=1.5)
