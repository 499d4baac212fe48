"""A layer (EMA, the default) behind a gain."""

from tests.reference.ema import ema


def rezero(x, state):
    inner = {key.removeprefix("layer."): value for key, value in state.items() if key.startswith("layer.")}
    return (1 - state["gain"]) * x + state["gain"] * ema(x, inner)
