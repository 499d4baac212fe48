"""Put layers inside the blocks of a model YAML and take them out again: `C3` becomes `C3+EMA(8)`. No row moves."""

from collections.abc import Sequence

from yolo_attn.model_yaml.inner_layers import END, has_layers, read, stock_name
from yolo_attn.model_yaml.names import layer_and_arguments
from yolo_attn.model_yaml.places import blocks
from yolo_attn.model_yaml.rows import parse

QUOTES = ("'", '"')
NOT_EDITABLE = "the modules cannot be edited as they are written; write one row a line, `- [-1, 3, C3, [256]]`, names without quotes"


def insert_inside(text: str, layers: Sequence[str], into: Sequence[str]) -> str:
    """Return the model with each layer inside each of the blocks, in the order given.

    Args:
        text: A model YAML.
        layers: Names with arguments behind a colon: `EMA`, `EMA:8`, `CBAM:16,7`.
        into: Blocks as for `places.blocks`; `C3@end` and `neck@end` mean the end of the blocks.

    Raises:
        ValueError: A layer is unknown, the model has no such block, or its rows cannot be edited.
    """
    calls = [_call(*layer_and_arguments(layer)) for layer in layers]
    added: dict[int, str] = {}
    chosen: set[tuple[int, str]] = set()  # a block may be meant twice, by its name and by its section
    for entry in into:
        role, at, place = entry.partition("@")
        if at and place != END:
            raise ValueError(
                f"there is no place {place!r} inside a block; write {role}, or {role}@{END} for the block's end"
            )
        for index in blocks(text, role):
            if (index, place) in chosen:
                continue
            chosen.add((index, place))
            added[index] = added.get(index, "") + "".join(f"+{call}{at}{place}" for call in calls)
    changed = with_modules(text, {index: parse(text)[index].module + more for index, more in added.items()})
    for index in added:
        read(parse(changed)[index].module)
    if without_inner_layers(changed) != without_inner_layers(text):
        raise ValueError(NOT_EDITABLE)
    return changed


def without_inner_layers(text: str) -> str:
    """Return the model with the blocks alone: the inverse of `insert_inside`."""
    return with_modules(text, {row.index: stock_name(row.module) for row in parse(text) if has_layers(row.module)})


def with_modules(text: str, modules: dict[int, str]) -> str:
    """Return the model with other modules, {index of the row: module as written}.

    Raises:
        ValueError: The text cannot be edited so.
    """
    rows = parse(text)
    for row in reversed(rows):
        if row.index in modules:
            start, end = row.at.module
            text = text[:start] + _quoted(modules[row.index], text[start:end]) + text[end:]
    changed = [(row.module, row.sources, row.args) for row in parse(text)] if modules else []
    if modules and changed != [(modules.get(row.index, row.module), row.sources, row.args) for row in rows]:
        raise ValueError(NOT_EDITABLE)
    return text


def _call(name: str, arguments: Sequence[str]) -> str:
    return f"{name}({', '.join(arguments)})" if arguments else name


def _quoted(module: str, before: str) -> str:
    """Write a module in the quotes of the one that stood there; a comma needs some, which go when the comma does."""
    quote = before[0] if before[0] in QUOTES else ""
    if "," in module:
        quote = quote or "'"
    elif "," in before and quote == "'":
        quote = ""
    return f"{quote}{module}{quote}"
