"""INT8 for onnxruntime, by its own tools."""

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from yolo_attn.deploy.calibration import ImageReader

BRANCHES = re.compile(r"(one2one_)?cv\d")  # of the head, which are convolutions; what is not in them decodes


def quantize_file(
    exported: Path, target: Path, paths: list[Path], imgsz: tuple[int, int], progress: Callable[[list], Iterable] = iter
) -> None:
    """Write an ONNX file in 8 bits, calibrated by the extremes of its activations on the images of `paths`."""
    images = ImageReader(progress(paths), imgsz)
    prepared = exported.with_name("prepared.onnx")
    quant_pre_process(str(exported), str(prepared))
    logging.disable(logging.WARNING)  # the tool advises to do what was just done
    try:
        quantize_static(
            str(prepared),
            str(target),
            images,
            per_channel=True,
            activation_type=QuantType.QUInt8,  # with QInt8 weights what x86 multiplies fastest
            weight_type=QuantType.QInt8,
            nodes_to_exclude=decoding_nodes(onnx.load(prepared).graph),
        )
    finally:
        logging.disable(logging.NOTSET)
    model = onnx.load(target)
    del model.metadata_props[:]  # the tools may leave out the names and the stride
    model.metadata_props.extend(onnx.load(exported).metadata_props)
    onnx.save(model, target)


def decoding_nodes(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes of the last row that are in none of its branches of convolutions."""
    rows = {node.name: re.match(r"/model\.(\d+)/", node.name) for node in graph.node}
    head = f"/model.{max(int(row[1]) for row in rows.values() if row)}/"
    return [name for name in rows if name.startswith(head) and not BRANCHES.match(name.removeprefix(head))]
