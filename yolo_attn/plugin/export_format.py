"""What an export must know of the layers in a model, and they of it: an exporter's callback for `on_export_start`."""

from typing import Any

# Formats that Ultralytics makes from another, and other names of a format.
MADE_FROM = {
    **dict.fromkeys(("pb", "edgetpu", "tflite", "tfjs"), "saved_model"),
    **dict.fromkeys(("mlmodel", "mlpackage", "mlprogram", "apple", "ios"), "coreml"),
}


class ExportRefusedError(ValueError):
    """A layer of the model would be wrong in the format."""


def prepare(exporter: Any) -> None:
    """Write the format to every layer with an `export_format`, and refuse a layer that is wrong in it.

    The model is the exporter's own copy, so that the user's keeps its form.

    Raises:
        ExportRefusedError: A layer has the format in its table `wrong_in`.
    """
    format = MADE_FROM.get(exporter.args.format, exporter.args.format)
    for place, module in exporter.model.named_modules():
        name = type(module).__name__
        if reason := getattr(module, "wrong_in", {}).get(format):
            row = next((part for part in place.split(".") if part.isdigit()), "?")
            raise ExportRefusedError(
                f"row {row} ({name}): {name} cannot be exported to {exporter.args.format}, {reason}; export to another format,"
                " such as onnx or openvino, or replace the layer"
            )
        if hasattr(module, "export_format"):
            module.export_format = format
