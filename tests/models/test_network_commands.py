"""The networks through the stock command: trained for an epoch, exported, and opened again in a process of its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.test_commands import CFG, TRAINING, YOLO, data, python, run  # noqa: F401 (data is a fixture)

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
    run(
        YOLO,
        task,
        "train",
        f"model={model}",
        f"data={source}",
        "epochs=1",
        f"project={tmp_path}",
        "name=run",
        *TRAINING,
        cwd=tmp_path,
    )
    return tmp_path / "run" / "weights" / "last.pt"


@pytest.mark.parametrize("checkpoint", ["resnet50-ema-cls", "resnet50-emca-yolo"], indirect=True)
def test_a_network_is_trained_exported_and_opened_elsewhere(checkpoint, tmp_path):
    opening = f"from ultralytics import YOLO; print(type(YOLO({str(checkpoint)!r}).model.model[0]))"
    assert "yolo_attn.models.resnet.ResNet" in python(opening, tmp_path)
    assert "yolo_attn.models.resnet.ResNet" in python(opening, tmp_path, ULTRALYTICS_SAFE_LOAD="1")
    run(YOLO, "export", f"model={checkpoint}", "format=onnx", "imgsz=64", cwd=tmp_path)
    compared = (
        "import numpy as np, onnxruntime, torch; from ultralytics import YOLO\n"
        f"model = YOLO({str(checkpoint)!r}).model.eval(); x = torch.rand(1, 3, 64, 64)\n"
        "with torch.no_grad(): ours = model(x)[0].numpy()\n"
        f"theirs, = onnxruntime.InferenceSession({str(checkpoint.with_suffix('.onnx'))!r}).run(None, {{'images': x.numpy()}})\n"
        "print('close', np.allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(ours).max()))"
    )
    assert "close True" in python(compared, tmp_path)
