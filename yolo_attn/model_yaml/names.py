"""Names of layers as users write them."""

import difflib

from yolo_attn.layers import LAYERS


def suggestion(name: str) -> str:
    """The end of an error message about an unknown layer: `; did you mean EMA?`, or nothing if no layer's name is close."""
    by_capitals = {known.upper(): known for known in LAYERS}
    close = difflib.get_close_matches(name.upper(), by_capitals, n=1)
    return f"; did you mean {by_capitals[close[0]]}?" if close else ""
