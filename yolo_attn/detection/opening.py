"""The detector for a file."""

from pathlib import Path

from yolo_attn.detection.adaptive_tiles import AdaptiveDetector
from yolo_attn.detection.detector import Detector, cores, model_path
from yolo_attn.detection.presets import DetectionSettings
from yolo_attn.detection.tiled_detector import TiledDetector, TileSettings

MAX_TORCH_AT_ONCE = 4  # more seldom gain, and each needs the memory of its feature maps


def open_detector(
    file: str | Path,
    settings: DetectionSettings | None = None,
    at_once: int | None = None,
    batch: int | None = None,
    device: str | None = None,
    tiles: TileSettings | None = None,
) -> Detector:
    """Open a detector: an ONNX file in onnxruntime, everything else in torch.

    Args:
        file: A checkpoint, or an exported file or folder.
        settings: None is DISPLAY.
        at_once: Batches that run at the same time and share the cores; None is one for each core, or up to 4 in torch. 1
            answers for a single picture soonest, if it is not cut into tiles.
        batch: Images in one run of the network, None is 1, or 8 in torch on a GPU; a file of fixed size has its own number.
        device: As Ultralytics calls it. None is the CPU for ONNX files; in torch it is the first GPU, or the CPU where there
            is none. An ONNX file on another device than the CPU runs in Ultralytics, too.
        tiles: How pictures are cut into tiles; None runs whole pictures.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The file needs torch, which is not installed.
        ValueError: It is no detector, or a setting does not fit it.
    """
    file = model_path(file)
    onnx = file.suffix.lower() == ".onnx" and device in (None, "cpu")
    try:
        if onnx:
            from yolo_attn.detection.onnx_detector import OnnxDetector
        else:
            from yolo_attn.detection.torch_detector import TorchDetector
    except ImportError as error:
        needed = "onnxruntime" if onnx else "torch and ultralytics, without which only ONNX files run"
        raise ImportError(f"{file}: needs {needed} ({error})") from error
    detector: Detector
    if onnx:
        detector = OnnxDetector(file, settings, cores() if at_once is None else at_once, 1 if batch is None else batch)
    else:
        batches = min(MAX_TORCH_AT_ONCE, cores()) if at_once is None else at_once
        detector = TorchDetector(file, settings, batches, batch, device)
    if tiles is None:
        return detector
    return TiledDetector(detector, tiles) if tiles.adaptive is None else AdaptiveDetector(detector, tiles)
