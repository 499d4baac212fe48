"""Each machine of a cluster is checked before anything trains."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import ultralytics

from yolo_attn.experiment import node
from yolo_attn.experiment.data_set import check_data_set, data_digest
from yolo_attn.experiment.node import Needs
from yolo_attn.storage import folder_lock


@pytest.fixture
def needs(data, tmp_path) -> Needs:
    checkpoint, out = tmp_path / "base.pt", tmp_path / "out"
    checkpoint.write_bytes(b"weights")
    out.mkdir()
    return Needs(out=out, data=data, checkpoint=checkpoint, training={})


@pytest.fixture
def held(needs):
    """The folder of the benchmark, held as the machine holds it that starts the runs."""
    with folder_lock(needs.out, "busy", 0):
        yield


def test_versions_and_digests_are_told(needs):
    found = node.contents(needs)
    assert found["ultralytics"] == ultralytics.__version__
    assert found[f"the file {needs.checkpoint}"] == f"digest {hashlib.sha256(b'weights').hexdigest()[:12]}"
    assert {"Python", "torch", "yolo-attn", f"the file {needs.data}", f"the data set of {needs.data}"} < found.keys()


def test_the_same_contents_pass(needs, held):
    node.require_same(needs, node.contents(needs))


@pytest.mark.parametrize("name", ["ultralytics", "yolo-attn", "the file {data}", "the data set of {data}"])
def test_what_differs_is_named(needs, held, name):
    name = name.format(data=needs.data)
    with pytest.raises(ValueError) as refused:
        node.require_same(needs, node.contents(needs) | {name: "another"})
    assert f"{name} is " in str(refused.value)
    assert "there and another here; make them the same" in str(refused.value)


@pytest.mark.parametrize("missing", ["data", "checkpoint"])
def test_a_missing_file_is_named(needs, missing):
    with pytest.raises(FileNotFoundError, match="gone is not there"):
        node.contents(replace(needs, **{missing: Path("gone")}))


def test_missing_pictures_are_named_and_not_fetched(needs, tmp_path):
    file = tmp_path / "absent.yaml"
    file.write_text(
        f"path: {tmp_path}/no\ntrain: a\nval: b\nnames: [car]\ndownload: |\n  raise SystemExit('fetched')\n"
    )
    with pytest.raises(FileNotFoundError, match="images not found"):
        node.contents(replace(needs, data=file))


def test_a_folder_that_is_not_shared_is_named(needs, monkeypatch):
    monkeypatch.setattr(node, "SEEN", 0.1)
    with pytest.raises(ValueError, match="is not there; name a folder on storage that all machines share"):
        node.require_shared(needs.out / "nowhere")


def test_a_lock_that_another_machine_does_not_see_is_named(needs, held):
    (needs.out / ".lock").rename(needs.out / "old")  # as on storage that keeps locks within a machine
    (needs.out / ".lock").write_text("")
    with pytest.raises(ValueError, match="does not keep locks between machines"):
        node.require_shared(needs.out)


def copied(data: Path, to: Path) -> dict:
    """A copy of the data set at another path."""
    import shutil

    shutil.copytree(data.parent / "set", to / "set", ignore=shutil.ignore_patterns("*.cache"))
    (to / "data.yaml").write_text(data.read_text().replace(str(data.parent), str(to)))
    return check_data_set(to / "data.yaml")


def test_the_digest_of_data_is_about_its_files_and_not_its_place(data, tmp_path):
    there = copied(data, tmp_path)
    digest = data_digest(there, {})
    assert digest == data_digest(check_data_set(data), {})
    assert digest != data_digest(there, {"fraction": 0.5})


@pytest.mark.parametrize("change", ["label", "annotation", "picture"])
def test_any_other_file_is_another_digest(data, tmp_path, change):
    there = copied(data, tmp_path)
    before = data_digest(there, {})
    if change == "picture":
        (tmp_path / "set" / "images" / "3.png").unlink()
    else:
        with (tmp_path / "set" / f"{change}s" / "3.txt").open("a") as lines:
            lines.write("0 0.5 0.5 0.1 0.1\n")
    assert data_digest(there, {}) != before
