"""INT8 for OpenVINO, by its own tools (NNCF)."""

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import nncf
import openvino

from yolo_attn.deploy.calibration import as_input

ROW = re.compile(r"__module\.model\.(\d+)")
BRANCHES = re.compile(r"\.(one2one_)?cv\d")  # of the head, which are convolutions; what is not in them decodes


def quantize_file(
    exported: Path, target: Path, paths: list[Path], imgsz: tuple[int, int], progress: Callable[[list], Iterable] = iter
) -> None:
    """Write an OpenVINO folder in 8 bits, calibrated on the images of `paths`. NNCF shows its own progress."""
    (graph,) = exported.glob("*.xml")
    network = openvino.Core().read_model(str(graph))
    quantized = nncf.quantize(
        network,
        nncf.Dataset(paths, lambda path: as_input(path, imgsz)),
        preset=nncf.QuantizationPreset.MIXED,  # activations of SiLU are not symmetric
        subset_size=len(paths),
        ignored_scope=nncf.IgnoredScope(names=decoding_nodes(network), validate=False),
    )
    shutil.copytree(exported, target, ignore=shutil.ignore_patterns("*.xml", "*.bin"))  # what Ultralytics wrote beside
    openvino.save_model(quantized, target / graph.name, compress_to_fp16=False)


def decoding_nodes(network: openvino.Model) -> list[str]:
    """Names of the operators of the last row that are in none of its branches of convolutions."""
    names = [operator.get_friendly_name() for operator in network.get_ordered_ops()]
    rows = {name: match for name in names if (match := ROW.match(name))}
    last = max(int(match[1]) for match in rows.values())
    return [name for name, match in rows.items() if int(match[1]) == last and not BRANCHES.match(name, match.end())]
