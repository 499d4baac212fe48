"""What an inserted layer does to pretrained weights before any training: python scripts/transfer_start.py base.pt

Prints, per layer and place, how far the transferred model is from its source: the relative change of the maps that enter the head on four
pictures, and the mAP50. The source is a yolov5n trained on the demo set (docs/transfer.md has the command).
"""

from pathlib import Path

import cv2
import torch
import typer
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset

from yolo_attn.model_yaml import edit
from yolo_attn.plugin.files import find

LAYERS = ("EMA", "CA", "CBAM", "ECA", "SA:8")  # the finest map of yolov5n is too narrow for 64 groups
DATA = {"data": "aerial-demo.yaml", "imgsz": 416, "device": "cpu", "plots": False, "verbose": False, "workers": 1}


def transferred(layer: str, place: str, weights: Path, folder: Path) -> YOLO:
    """yolov5n with the layer at the place and the weights of the checkpoint."""
    file = folder / f"yolov5n-{layer.replace(':', '-')}-{place}.yaml"
    file.write_text(edit.insert_all(find("yolov5.yaml").read_text(), [layer], [place]))
    names = YOLO(weights).names
    file.write_text(file.read_text().replace("nc: 80", f"nc: {len(names)}"))
    return YOLO(file, verbose=False).load(weights)


def head_inputs(model: YOLO, image: torch.Tensor) -> torch.Tensor:
    """The maps that enter the head, in one vector."""
    caught = []
    hook = model.model.model[-1].register_forward_pre_hook(lambda module, inputs: caught.extend(inputs[0]))
    with torch.inference_mode():
        model.model.float().eval()(image)
    hook.remove()
    return torch.cat([entry.flatten() for entry in caught])


def pictures(size: int = 416, count: int = 4) -> torch.Tensor:
    """The first validation pictures, (count, 3, size, size) in 0 to 1."""
    files = sorted(Path(check_det_dataset(DATA["data"])["val"]).iterdir())[:count]
    resized = [cv2.resize(cv2.imread(str(file)), (size, size))[..., ::-1].copy() for file in files]
    return torch.stack([torch.from_numpy(picture) for picture in resized]).permute(0, 3, 1, 2) / 255


def main(weights: Path, folder: Path = Path("runs/transfer")) -> None:
    """Print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    source = YOLO(weights)
    image = pictures()
    expected, base = head_inputs(source, image), source.val(**DATA).box.map50
    print(f"| layer | place | change of the head's input | mAP50, source {base:.3f} |\n|---|---|---|---|")
    for place in ("backbone-end", "neck"):
        for layer in (*LAYERS, "ReZero:EMA"):
            model = transferred(layer, place, weights, folder)
            change = (head_inputs(model, image) - expected).norm() / expected.norm()
            print(f"| {layer} | {place} | {change:.1%} | {model.val(**DATA).box.map50:.3f} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
