"""Names of layers as users write them."""

import difflib

from yolo_attn.layers import LAYERS


def layer_and_arguments(layer: str) -> tuple[str, list[str]]:
    """Return the name and the arguments of a layer written for a command: `EMA`, `EMA:8`, `CBAM:16,7`.

    Raises:
        ValueError: There is no such layer.
    """
    name, _, written = layer.partition(":")
    if name not in LAYERS:
        raise ValueError(f"there is no layer {name}{suggestion(name) or '; known are ' + ', '.join(LAYERS)}")
    return name, [part.strip() for part in written.split(",") if part.strip()]


def suggestion(name: str) -> str:
    """The end of an error message about an unknown layer: `; did you mean EMA?`, or nothing if no layer's name is close."""
    by_capitals = {known.upper(): known for known in LAYERS}
    close = difflib.get_close_matches(name.upper(), by_capitals, n=1)
    return f"; did you mean {by_capitals[close[0]]}?" if close else ""
