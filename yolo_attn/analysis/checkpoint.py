"""Opening of a checkpoint, with one sentence for whatever is wrong with it."""

from collections.abc import Sequence
from pathlib import Path

from ultralytics import YOLO


def opened(file: Path, command: str, tasks: Sequence[str]) -> YOLO:
    """Open a checkpoint of Ultralytics.

    Args:
        file: The checkpoint.
        command: What writes such checkpoints, for the messages.
        tasks: What its model may be for.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, or not for one of the tasks.
    """
    if not file.exists():
        raise FileNotFoundError(f"{file}: not there; give a checkpoint such as best.pt of `{command}`")
    if file.suffix != ".pt" or file.is_dir():
        raise ValueError(f"{file}: is no checkpoint; give the .pt file of `{command}`")
    try:
        model = YOLO(str(file))
    except Exception as error:  # a file that torch unpickles may raise anything
        raise ValueError(f"{file}: cannot be opened as a checkpoint: {error}") from error
    if model.task not in tasks:
        raise ValueError(f"{file}: is a model for {model.task}; give one for {', '.join(tasks)}, of `{command}`")
    return model
