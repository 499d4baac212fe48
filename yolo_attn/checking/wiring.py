"""How the rows of a model YAML are joined: sources, rows without effect, row numbers in comments."""

from collections.abc import Iterator, Sequence

from yolo_attn.checking.finding import Finding
from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml.rows import Row, wrong_sources

TEXT_MODULES = ("ImagePoolingAttn",)  # they change YOLO-World's text features, which no row names as its source


def wrong_references(rows: Sequence[Row]) -> Iterator[Finding]:
    """Sources that are not a row before the one that reads them."""
    for row, entry in wrong_sources(rows):
        yield Finding("error", row.index, f"{row.module} reads row {entry}, which is not a row before it")


def unread_outputs(rows: Sequence[Row]) -> Iterator[Finding]:
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
            ending = "nothing reads it" if not consumers[row.index] else "its output never reaches the head"
            yield Finding(
                "error" if is_attention else "warning", row.index, f"{row.module} is without effect: {ending}"
            )
        elif is_attention:
            for consumer in consumers.get(row.sources[0], ()):
                if consumer.index > row.index and consumer.module not in LAYERS:
                    yield Finding(
                        "error" if consumer is head else "warning",
                        consumer.index,
                        f"{consumer.module} reads row {row.sources[0]} past {row.module}, which is row {row.index}",
                    )


def doubtful_comments(rows: Sequence[Row]) -> Iterator[Finding]:
    """Comments that number their row otherwise than it is."""
    for row in rows:
        if row.comment_number not in (None, row.index):
            yield Finding("warning", row.index, f"its comment says row {row.comment_number}")
