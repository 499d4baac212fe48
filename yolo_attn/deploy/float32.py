"""OpenVINO in float32, also where Ultralytics opens the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PRECISION = "INFERENCE_PRECISION_HINT"


@contextmanager
def openvino_in_float32() -> Iterator[None]:
    """Let OpenVINO compile models in float32 while the context is open. Does nothing where OpenVINO is not installed.

    By itself it computes in bfloat16 where the processor can, which moves boxes by pixels through no fault of the file. Ultralytics
    offers no setting for that, and OpenVINO reads it neither from the file nor from the environment.
    """
    try:
        from openvino import Core
    except ImportError:
        yield
        return
    original = Core.compile_model

    def compile_model(
        core: Any, model: Any, device_name: str | None = None, config: dict | None = None, **more: Any
    ) -> Any:
        return original(core, model, device_name, {**(config or {}), PRECISION: "f32"}, **more)

    Core.compile_model = compile_model
    try:
        yield
    finally:
        Core.compile_model = original
