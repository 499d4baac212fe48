"""Check a model YAML. The file may come from a stranger: nothing in it is executed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from yolo_attn.checking import Finding
from yolo_attn.checking.build import build_errors
from yolo_attn.checking.permitted import forbidden
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml import document
from yolo_attn.model_yaml.inner_layers import has_layers
from yolo_attn.model_yaml.rows import Row, parse, wrong_sources
from yolo_attn.plugin.offered_layers import named_files, register_named_files

UNTRUSTED = "is Python, which nothing runs unasked; if you trust that file, add --run-layers"
TEXT_MODULES = ("ImagePoolingAttn",)  # they change YOLO-World's text features, which no row names as its source


def check(text: str, runs_layers_beside: Path | None = None) -> list[Finding]:
    """Everything found in a model YAML, in the order of its rows, errors of building at any of its scales last.

    Args:
        text: A model YAML.
        runs_layers_beside: The file of the YAML, if the Python files that it names with `layers:` are trusted and may run.
    """
    try:
        rows, model = parse(text), document.load(text)[0]
        if runs_layers_beside is not None:
            model["yaml_file"] = str(runs_layers_beside)
            register_named_files(model)
        elif files := named_files(model):
            return [Finding("error", None, f"layers: {files[0].name} {UNTRUSTED}")]
    except (ValueError, OSError) as error:
        return [Finding("error", None, str(error))]
    wrong = [
        Finding("error", row.index, f"{row.module} reads row {entry}, which is not a row before it")
        for row, entry in wrong_sources(rows)
    ]
    fatal = [*forbidden(model, rows), *wrong]
    findings = fatal or [*_unread_outputs(rows), *_doubtful_comments(rows)]
    findings.sort(key=lambda finding: -1 if finding.row is None else finding.row)
    # With fatal errors nothing further can be said, and nothing may be built.
    return findings if fatal else [*findings, *build_errors(model, rows)]


def _unread_outputs(rows: Sequence[Row]) -> Iterator[Finding]:
    """Rows whose output does not reach the head, and rows that read past an attention layer."""
    head = rows[-1]
    consumers = {row.index: [other for other in rows if row.index in other.sources] for row in rows}
    reaching = {head.index, *(row.index for row in rows if row.module in TEXT_MODULES)}
    for row in reversed(rows):
        if any(consumer.index in reaching for consumer in consumers[row.index]):
            reaching.add(row.index)
    for row in rows:
        is_attention = row.module in LAYERS
        if row.index not in reaching:
            level = "error" if is_attention or has_layers(row.module) else "warning"
            ending = "its output never reaches the head" if consumers[row.index] else "nothing reads it"
            yield Finding(level, row.index, f"{row.module} is without effect: {ending}")
        elif is_attention:
            source = row.sources[0]
            for consumer in consumers.get(source, ()):
                if consumer.index > row.index and consumer.module not in LAYERS:
                    level = "error" if consumer is head else "warning"
                    message = f"{consumer.module} reads row {source} past {row.module}, which is row {row.index}"
                    yield Finding(level, consumer.index, message)


def _doubtful_comments(rows: Sequence[Row]) -> Iterator[Finding]:
    """Comments that number their row otherwise than it is."""
    for row in rows:
        if row.comment_number not in (None, row.index):
            yield Finding("warning", row.index, f"its comment says row {row.comment_number}")
