"""The networks through the stock command: trained for an epoch, exported, and opened again in a process of its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.test_commands import CFG, TRAINING, YOLO, data, python, run  # noqa: F401 (data is a fixture)
from yolo_attn.layers import LAYERS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Dark and light pictures in a folder each, for training and for validation."""
    root = tmp_path_factory.mktemp("shades")
    generator = np.random.default_rng(0)
    for part in ("train", "val"):
        for level, name in enumerate(("dark", "light")):
            (root / part / name).mkdir(parents=True)
            for number in range(4):
                picture = generator.integers(0, 100, (64, 64, 3)) + 100 * level
                cv2.imwrite(str(root / part / name / f"{number}.png"), picture.astype(np.uint8))
    return root


@pytest.fixture
def checkpoint(request, tmp_path, data, folders) -> Path:  # noqa: F811
    model = CFG / f"{request.param}.yaml"
    task, source = ("classify", folders) if request.param.endswith("-cls") else ("detect", data)
    command = [YOLO, task, "train", f"model={model}", f"data={source}", "epochs=1", f"project={tmp_path}", "name=run"]
    run(*command, *TRAINING, cwd=tmp_path)
    return tmp_path / "run" / "weights" / "last.pt"


@pytest.mark.parametrize("checkpoint", ["resnet50-ema-cls", "resnet50-emca-yolov3"], indirect=True)
def test_a_network_is_trained_exported_and_opened_elsewhere(checkpoint, tmp_path):
    opening = f"from ultralytics import YOLO; print(type(YOLO({str(checkpoint)!r}).model.model[0]))"
    assert "yolo_attn.networks.resnet.ResNet" in python(opening, tmp_path)
    assert "yolo_attn.networks.resnet.ResNet" in python(opening, tmp_path, ULTRALYTICS_SAFE_LOAD="1")
    run(YOLO, "export", f"model={checkpoint}", "format=onnx", "imgsz=64", cwd=tmp_path)
    compared = (
        "import numpy as np, onnxruntime, torch; from ultralytics import YOLO\n"
        f"model = YOLO({str(checkpoint)!r}).model.eval(); x = torch.rand(1, 3, 64, 64)\n"
        "with torch.no_grad(): ours = model(x)[0].numpy()\n"
        f"theirs, = onnxruntime.InferenceSession({str(checkpoint.with_suffix('.onnx'))!r}).run(None, {{'images': x.numpy()}})\n"
        "print('close', np.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(ours).max()))"
    )
    assert "close True" in python(compared, tmp_path)


# What does not fit the narrowest stage of a ResNet-18, 64 channels, or the end of a block with its defaults.
ROWS = {"SA": "SA(8)", "SGE": "SGE(32)", "EMCA": "EMCA, first", "EPSA": "EPSA, conv", "DMSA": "DMSA, conv"}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_trains_for_an_epoch_in_a_classifier(name, folders, tmp_path):
    row = f"[-1, 1, ResNet, [18, {ROWS.get(name, name)}]]"
    head = "head:\n  - [-1, 1, Feature, [5]]\n  - [-1, 1, Classifier, [nc]]\n"
    (tmp_path / "net-cls.yaml").write_text(f"nc: 2\nbackbone:\n  - {row}\n{head}")
    command = [YOLO, "classify", "train", "model=net-cls.yaml", f"data={folders}", "epochs=1", f"project={tmp_path}"]
    run(*command, "name=run", *TRAINING, cwd=tmp_path)
    code = "from ultralytics import YOLO; m = YOLO('run/weights/last.pt').model; print({type(x).__name__ for x in m.modules()})"
    assert repr(name) in python(code, tmp_path)


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_trains_for_an_epoch_in_a_detector(name, data, tmp_path):  # noqa: F811
    source = "[-1, 1]" if name == "EMCA" else "-1"
    convs = "".join(f"  - [-1, 1, Conv, [{width}, 3, 2]]\n" for width in (64, 128, 128))
    row = f"  - [{source}, 1, {name}, []]\n"
    (tmp_path / "net.yaml").write_text(f"nc: 1\nbackbone:\n{convs}{row}head:\n  - [[3], 1, Detect, [nc]]\n")
    command = [YOLO, "detect", "train", "model=net.yaml", f"data={data}", "epochs=1", f"project={tmp_path}"]
    out = run(*command, "name=run", *TRAINING, cwd=tmp_path)
    assert f".{name}" in out
