"""A picture, a video or a folder of them through a detector, into drawn pictures, JSON and VisDrone files."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from yolo_attn.detection import writers
from yolo_attn.detection.detections import visdrone_categories
from yolo_attn.detection.detector import Detector
from yolo_attn.detection.output_folder import OutputFolder
from yolo_attn.detection.sources import UnreadableError, files, pictures
from yolo_attn.detection.stream import detect_stream


@dataclass(frozen=True)
class Outputs:
    """Files to write. Without a folder, JSON goes to standard output."""

    folder: Path | None = None  # folder of the files
    drawn: bool = False  # pictures and videos with boxes, under their own names
    json: bool = False  # one file for all
    visdrone: bool = False  # a detection file for each picture


@dataclass(frozen=True)
class Predicted:
    """Outcome of a run."""

    pictures: int  # pictures with results
    boxes: dict[str, int]  # {class name: boxes found}
    unreadable: tuple[str, ...]  # a line for each file that cannot be read


def predict(
    detector: Detector, source: str | Path, outputs: Outputs, report: Callable[[str], None] = lambda line: None
) -> Predicted:
    """Run a detector over an image, a video, or a folder of them. Memory does not grow with their number.

    `report` is called with a line for each picture, and for each file that cannot be read.

    Raises:
        FileNotFoundError: There is nothing at `source`.
        FileExistsError: A file would replace one that no earlier run wrote, or two inputs share an output. Nothing is done.
        OSError: A file cannot be written.
        ValueError: A folder is missing, or VisDrone has none of the classes.
    """
    paths = files(source)
    boxes: Counter[str] = Counter()
    count, unreadable = 0, []
    with ExitStack() as stack:
        writes = [stack.enter_context(writer) for writer in _writers(detector.names, paths, outputs)]
        for result in detect_stream(detector, pictures(paths, detector.settings.apply_exif)):
            if isinstance(result, UnreadableError):
                unreadable.append(str(result))
                report(str(result))
                continue
            count += 1
            counts = Counter(detector.names[index] for index in result.detections.classes.tolist())
            boxes += counts
            report(f"{result.picture}: {', '.join(f'{number} {name}' for name, number in counts.items()) or 'nothing'}")
            for write in writes:
                write(result)
    return Predicted(pictures=count, boxes=dict(boxes.most_common()), unreadable=tuple(unreadable))


def _writers(
    names: Mapping[int, str], paths: Sequence[Path], wanted: Outputs
) -> list[AbstractContextManager[writers.Write]]:
    """Return the writers for what is wanted, whose files replace nothing."""
    if wanted.folder is None:
        if wanted.drawn or wanted.visdrone:
            raise ValueError("predict: pictures and VisDrone files need a folder; give --out")
        return [writers.json_writer(names, None)] if wanted.json else []
    folder = OutputFolder(wanted.folder)
    chosen: list[AbstractContextManager[writers.Write]] = []
    outputs: list[tuple[str, Path | None]] = []
    if wanted.json:
        chosen.append(writers.json_writer(names, folder))
        outputs.append((writers.JSON_FILE, None))
    if wanted.drawn:
        chosen.append(writers.drawing_writer(names, folder))
        outputs += [(writers.drawing_name(path), path) for path in paths]
    if wanted.visdrone:
        chosen.append(writers.visdrone_writer(visdrone_categories(names), folder))
        outputs += [(writers.visdrone_name(path), path) for path in paths]
    folder.require_free(outputs)
    return chosen
