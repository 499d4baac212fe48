"""A picture, a video or a folder of them through a detector, into drawn pictures, JSON and VisDrone files."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from yolo_attn.detection.detector import Detector
from yolo_attn.detection.output_folder import OutputFolder
from yolo_attn.detection.sources import UnreadableError, files, pictures
from yolo_attn.detection.stream import detect_stream
from yolo_attn.detection.writers import DrawingWriter, JsonWriter, VisdroneWriter, Writer


@dataclass(frozen=True)
class Outputs:
    """What is written. Without a folder, JSON goes to standard output.

    Attributes:
        folder: Where to.
        drawn: Pictures and videos with boxes, under their own names.
        json: One file for all.
        visdrone: A detection file for each picture.
    """

    folder: Path | None = None
    drawn: bool = False
    json: bool = False
    visdrone: bool = False


@dataclass(frozen=True)
class Predicted:
    """What a run did.

    Attributes:
        pictures: Pictures with results.
        boxes: {class name: boxes found}.
        unreadable: A line for each file that cannot be read.
    """

    pictures: int
    boxes: dict[str, int]
    unreadable: tuple[str, ...]


def predict(
    detector: Detector, source: str | Path, outputs: Outputs, report: Callable[[str], None] = lambda line: None
) -> Predicted:
    """Run a detector over an image, a video, or a folder of them. Memory does not grow with their number.

    Args:
        detector: As `open_detector` gives it.
        source: A path.
        outputs: What to write.
        report: Called with a line for each picture, and for each file that cannot be read.

    Raises:
        FileNotFoundError: There is nothing at `source`.
        FileExistsError: A file would replace one that no earlier run wrote, or two inputs share an output. Nothing is done.
        OSError: A file cannot be written.
        ValueError: A folder is missing, or VisDrone has none of the classes.
    """
    paths = files(source)
    writers = _writers(detector, paths, outputs)
    boxes: Counter[str] = Counter()
    count, unreadable = 0, []
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        for result in detect_stream(detector, pictures(paths, detector.settings.apply_exif)):
            if isinstance(result, UnreadableError):
                unreadable.append(str(result))
                report(str(result))
                continue
            count += 1
            counts = Counter(detector.names[index] for index in result.detections.classes.tolist())
            boxes += counts
            report(f"{result.picture}: {', '.join(f'{number} {name}' for name, number in counts.items()) or 'nothing'}")
            for writer in writers:
                writer.write(result)
    return Predicted(pictures=count, boxes=dict(boxes.most_common()), unreadable=tuple(unreadable))


def _writers(detector: Detector, paths: Sequence[Path], outputs: Outputs) -> list[Writer]:
    """The writers for what is asked, whose files replace nothing."""
    if outputs.folder is None:
        if outputs.drawn or outputs.visdrone:
            raise ValueError("predict: pictures and VisDrone files need a folder; give --out")
        return [JsonWriter(detector.names, None)] if outputs.json else []
    folder = OutputFolder(outputs.folder)
    chosen = ((outputs.json, JsonWriter), (outputs.drawn, DrawingWriter), (outputs.visdrone, VisdroneWriter))
    writers: list[Writer] = [writer(detector.names, folder) for wanted, writer in chosen if wanted]
    folder.require_free(output for writer in writers for output in writer.outputs(paths))
    return writers
