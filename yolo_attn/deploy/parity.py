"""Whether an exported file computes what its torch model computes: raw outputs, and boxes after NMS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from torch import nn
from ultralytics.nn.autobackend import AutoBackend

from yolo_attn.detection.session import FAILURES

TOLERANCE = 1e-4  # largest difference of raw outputs, as a share of the largest value
PIXELS, SCORE = 0.5, 1e-3  # largest differences of boxes after NMS
LOWEST = 0.05  # boxes of at least this score are compared; low, so that there are many


class ParityError(ValueError):
    """An exported file gives other numbers than its model."""


@dataclass(frozen=True)
class Raw:
    """One comparison of raw outputs.

    Attributes:
        shape: (B, C, H, W) of the input.
        boxes: Largest difference of box coordinates, as a share of the largest coordinate; of all outputs, if they are no boxes.
        scores: The same of class scores.
    """

    shape: tuple[int, int, int, int]
    boxes: float
    scores: float

    @property
    def worst(self) -> float:
        """The larger of the two; nan counts as infinitely far apart."""
        return float(np.nan_to_num(max(self.boxes, self.scores, key=np.nan_to_num), nan=np.inf))


@dataclass(frozen=True)
class Boxes:
    """One comparison of boxes after NMS.

    Attributes:
        image: The image's path.
        count: Boxes that the model finds.
        pixels: Largest difference of a coordinate between boxes that belong together.
        score: Largest difference of their scores.
        unmatched: Boxes of either side that the other does not have.
    """

    image: str
    count: int
    pixels: float
    score: float
    unmatched: int


def opened(file: str | Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """An exported file as a function from images to raw outputs, on the CPU.

    It is Ultralytics' own backend, but for OpenVINO: that computes in bfloat16 where the processor can, unless told not to, and
    would be 1e-2 off through no fault of the file.
    """
    if not Path(file).name.endswith("_openvino_model"):
        return AutoBackend(str(file), device=torch.device("cpu"), verbose=False)
    import openvino

    (graph,) = Path(file).glob("*.xml")
    network = openvino.Core().compile_model(str(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: torch.from_numpy(network(images.numpy())[0].copy())


def raw(network: nn.Module, backend: Callable, shape: tuple[int, int, int, int]) -> Raw:
    """Compare the outputs of `network` and of an exported file, opened as `backend`, on random images.

    Args:
        network: The torch model, in eval mode, float32 on the CPU.
        backend: Images to raw outputs, as Ultralytics' AutoBackend.
        shape: (B, C, H, W) of the images.

    Raises:
        ParityError: The outputs have different shapes, or the file cannot be run at this size.
    """
    images = random_images(shape)
    with torch.no_grad():
        expected = _first(network(images)).numpy()
        try:
            given = _first(backend(images.clone())).float().numpy()
        except (RuntimeError, *FAILURES) as error:
            raise ParityError(f"does not run: {str(error).splitlines()[0]}") from error
    if expected.shape != given.shape:
        raise ParityError(f"gives an output of shape {given.shape}, where torch gives {expected.shape}")
    return Raw(shape, *_parts(expected, given))


def boxes(model, exported, images: Sequence[str | Path], lowest: float = LOWEST, **settings) -> list[Boxes]:
    """Compare what Ultralytics' own predict finds with the model and with the exported file.

    Args:
        model: A `YOLO` of the checkpoint.
        exported: A `YOLO` of the exported file.
        images: Paths.
        lowest: Score from which on boxes are compared.
        settings: Of predict. `rect` False pads both to the same square, as a file of fixed size needs it.
    """
    found = []
    for image in images:
        ours, theirs = (
            network.predict(str(image), conf=lowest - SCORE, verbose=False, **settings)[0].boxes.data.cpu().numpy()
            for network in (model, exported)
        )
        found.append(Boxes(str(image), len(ours), *matched(ours, theirs, lowest)))
    return found


def matched(ours: np.ndarray, theirs: np.ndarray, lowest: float) -> tuple[float, float, int]:
    """Two sets of (N, 6) xyxy, score, class -> largest distance in pixels, in score, and the number without a partner.

    A partner has the same class, and all its coordinates lie within PIXELS and its score within SCORE. Boxes that score less
    than `lowest` need none: they are there so that those just above it have theirs.
    """
    far = np.abs(ours[:, None, :4] - theirs[None, :, :4]).max(2, initial=0)
    apart = np.abs(ours[:, None, 4] - theirs[None, :, 4])
    near = (ours[:, None, 5] == theirs[None, :, 5]) & (far <= PIXELS) & (apart <= SCORE)
    alone = int(((ours[:, 4] >= lowest) & ~near.any(1)).sum() + ((theirs[:, 4] >= lowest) & ~near.any(0)).sum())
    rows = near.any(1).nonzero()[0]
    partners = np.where(near, far, np.inf)[rows].argmin(1) if len(rows) else rows
    return float(far[rows, partners].max(initial=0)), float(apart[rows, partners].max(initial=0)), alone


def first_row_that_differs(network: nn.Module, file: str | Path, shape: tuple[int, int, int, int]) -> str:
    """Where an ONNX file leaves its model: the first row of the model YAML whose output differs, in words.

    Every row's last node is made an output of the graph; rows of which the simplifier left no node are passed over.
    """
    graph = onnx.load(str(file))
    outputs = {}
    for node in graph.graph.node:
        parts = node.name.split("/")
        if len(parts) > 2 and parts[1].startswith("model.") and parts[1][6:].isdigit():
            outputs[int(parts[1][6:])] = node.output[0]
    outputs.pop(len(network.model) - 1, None)  # the head's last node is the graph's own output
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in outputs.values())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    expected, hooks = {}, []
    for row in outputs:
        keep = lambda _module, _input, output, row=row: expected.__setitem__(row, output)  # noqa: E731
        hooks.append(network.model[row].register_forward_hook(keep))
    images = random_images(shape)
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    given = session.run(list(outputs.values()), {session.get_inputs()[0].name: images.numpy()})
    for row, values in sorted(zip(outputs, given, strict=True), key=lambda entry: entry[0]):
        truth = expected[row]
        where = f"row {row} ({type(network.model[row]).__name__})"
        if not isinstance(truth, torch.Tensor):
            continue
        if tuple(truth.shape) != values.shape:
            return f"{where} is the first that differs: shape {values.shape}, in torch {tuple(truth.shape)}"
        if (distance := _relative(truth.numpy(), values)) > TOLERANCE:
            return f"{where} is the first that differs, by {distance:.1e} of its largest value"
    return f"the rows before the head agree; it is row {len(network.model) - 1} ({type(network.model[-1]).__name__})"


def _parts(expected: np.ndarray, given: np.ndarray) -> tuple[float, float]:
    """Relative differences of coordinates and of scores. They differ by a factor of hundreds, and have each their own scale."""
    if expected.ndim != 3:
        return _relative(expected, given), 0.0
    if expected.shape[2] == 6:  # (B, N, 6), the best N: rows of nearly equal score may change places
        return _of_rows(expected, given)
    return _relative(expected[:, :4], given[:, :4]), _relative(expected[:, 4:], given[:, 4:])


def _of_rows(expected: np.ndarray, given: np.ndarray) -> tuple[float, float]:
    """For each expected row the nearest given one of its class, but for the last of equal score, where the list was cut."""
    scale = np.abs(expected[..., :4]).max(), np.abs(expected[..., 4]).max()
    worst = np.zeros(2)
    for rows, others in zip(expected, given, strict=True):
        cut = rows[:, 4].min() + 2 * TOLERANCE * scale[1]
        for row in rows[rows[:, 4] > cut]:
            same = others[others[:, 5] == row[5]]
            apart = np.stack(
                [np.abs(same[:, :4] - row[:4]).max(1) / scale[0], np.abs(same[:, 4] - row[4]) / scale[1]], 1
            )
            worst = np.maximum(worst, apart[apart.max(1).argmin()] if len(same) else np.inf)
    return float(worst[0]), float(worst[1])


def _relative(expected: np.ndarray, given: np.ndarray) -> float:
    return float(np.abs(expected - given).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))


def _first(output):
    while isinstance(output, list | tuple):
        output = output[0]
    return output


def random_images(shape: tuple[int, int, int, int]) -> torch.Tensor:
    """(B, C, H, W) in 0..1, patches of colour with noise on them: all noise would average out in the first layers."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand((*shape[:2], shape[2] // 16 + 1, shape[3] // 16 + 1), generator=generator)
    return 0.8 * F.interpolate(patches, shape[2:], mode="bilinear") + 0.2 * torch.rand(shape, generator=generator)
