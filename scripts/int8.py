"""Static INT8 of a trained detector by onnxruntime's own tools: accuracy, latency, and what stays in float. Prints docs/int8.md.

python scripts/int8.py best.pt [data.yaml] [calibration images] [rounds]

Writes best-int8.onnx, quantised but for the head's decoding, beside best.pt.
"""

import logging
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from measuring import command, in_turns, ratio, session, spread, where
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset
from ultralytics.utils import LOGGER

from yolo_attn.detection.letterbox import letterbox
from yolo_attn.layers import LAYERS

WEIGHTS = Path(sys.argv[1]).resolve()
DATA = sys.argv[2] if len(sys.argv) > 2 else "aerial-demo.yaml"
IMAGES = int(sys.argv[3]) if len(sys.argv) > 3 else 64
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 31
KEPT = "all but the head's decoding"


class Calibration(CalibrationDataReader):
    """The first training images, as the detector gets them."""

    def __init__(self, folder: str, imgsz: int):
        self.paths = iter(sorted(Path(folder).glob("*.jpg"))[:IMAGES])
        self.imgsz = imgsz

    def get_next(self) -> dict[str, np.ndarray] | None:
        path = next(self.paths, None)
        if path is None:
            return None
        image = cv2.imread(str(path))
        image = letterbox(image.shape[:2], (self.imgsz, self.imgsz), None).apply(image)
        return {"images": image[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255}


def variants(graph: onnx.GraphProto, rows: list[str]) -> dict[str, dict]:
    """What to quantise, by what it is called in the table."""
    names = [node.name for node in graph.node]
    head = f"/model.{len(rows) - 1}/"
    decode = [name for name in names if name.startswith(head) and not name.startswith((f"{head}cv2", f"{head}cv3"))]
    attention = [
        name for name in names for row, kind in enumerate(rows) if kind in LAYERS and name.startswith(f"/model.{row}/")
    ]
    return {
        "everything": {},
        "all but the last Concat (boxes with scores)": {"nodes_to_exclude": decode[-1:]},
        KEPT: {"nodes_to_exclude": decode},
        "... and the attention": {"nodes_to_exclude": decode + attention},
        "convolutions alone": {"op_types_to_quantize": ["Conv"], "nodes_to_exclude": decode},
    }


def quantised(prepared: str, stock: Path, file: Path, reader: Calibration, how: dict) -> Path:
    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}  # what x86 multiplies fastest
    quantize_static(prepared, str(file), reader, per_channel=True, **types, **how)
    model = onnx.load(file)
    del model.metadata_props[:]  # the tool and the preparation before it may leave out the names and the stride
    model.metadata_props.extend(onnx.load(stock).metadata_props)
    onnx.save(model, file)
    return file


def in_float(file: Path) -> Counter:
    """(row, operator) that onnxruntime still runs on floats, with how many, after its own fusing."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = f"{file}.optimized"
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    graph = onnx.shape_inference.infer_shapes(onnx.load(f"{file}.optimized")).graph
    known = [*graph.value_info, *graph.output, *graph.input]
    floats = {value.name for value in known if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    moved = ("QuantizeLinear", "DequantizeLinear", "Reshape", "Transpose", "Unsqueeze", "Squeeze")
    found = [node for node in graph.node if node.output[0] in floats and node.op_type not in moved]
    return Counter((node.name.split("/")[1] if "/" in node.name else "fused", node.op_type) for node in found)


def accuracy(file: Path, imgsz: int) -> tuple[float, float]:
    found = YOLO(str(file), task="detect").val(data=DATA, imgsz=imgsz, batch=1, rect=False, plots=False, verbose=False)
    return found.box.map50, found.box.map


def main() -> None:
    LOGGER.setLevel("ERROR")  # it writes to standard output
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    os.chdir(tempfile.mkdtemp())
    model = YOLO(str(WEIGHTS))
    imgsz, rows = model.ckpt["train_args"]["imgsz"], [type(row).__name__ for row in model.model.model]
    name = Path(model.model.yaml["yaml_file"]).stem
    stock = Path(model.export(format="onnx", imgsz=imgsz, verbose=False)).replace("float.onnx")
    quant_pre_process(str(stock), "prepared.onnx")
    folder = check_det_dataset(DATA)["train"]
    files = {"float": stock}
    for index, (what, how) in enumerate(variants(onnx.load("prepared.onnx").graph, rows).items()):
        files[what] = quantised("prepared.onnx", stock, Path(f"int8-{index}.onnx"), Calibration(folder, imgsz), how)
    image = {"images": np.random.default_rng(0).random((1, 3, imgsz, imgsz), np.float32)}
    sessions = {what: session(file) for what, file in files.items()}
    times = in_turns({what: lambda s=running: s.run(None, image) for what, running in sessions.items()}, ROUNDS)
    left = {what: in_float(file) for what, file in files.items()}
    print(f"""# {name} in INT8

`{command().replace(sys.argv[1], WEIGHTS.name)}`, {where("torch", "onnxruntime", "ultralytics")}.

onnxruntime's static quantisation (QDQ, a scale for each channel of a weight, 8 bits without sign for activations), calibrated on the
first {IMAGES} training images by their extremes. mAP as stock `val` finds it on {DATA} at {imgsz} px. Milliseconds of the process on
one image, one thread: median (quartiles) of {ROUNDS} rounds in which the files take turns; the ratio is the median of each round's.

| quantised | mAP50 | mAP50-95 | ms | float / this | MB | operators left in float |
|---|---|---|---|---|---|---|""")
    for what, file in files.items():
        good, strict = accuracy(file, imgsz)
        cells = [f"{good:.3f}", f"{strict:.3f}", spread(times[what]), f"{ratio(times['float'], times[what]):.2f}"]
        print(f"| {what} | {' | '.join(cells)} | {file.stat().st_size / 1e6:.1f} | {left[what].total()} |", flush=True)
    print(f'\nIn "{KEPT}" these are left in float:\n')
    for row in sorted({row for row, _ in left[KEPT]}):
        kinds = [f"{kind} {count}" for (place, kind), count in sorted(left[KEPT].items()) if place == row]
        label = f"row {row[6:]} ({rows[int(row[6:])]})" if row.startswith("model.") else row
        print(f"- {label}: {', '.join(kinds)}")
    shutil.copy(files[KEPT], WEIGHTS.with_name(f"{WEIGHTS.stem}-int8.onnx"))


if __name__ == "__main__":
    main()
