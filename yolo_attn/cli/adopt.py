"""`yolo-attn adopt`: is a class fit to be a layer?"""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def adopt(
    layer: Annotated[
        str,
        typer.Argument(
            metavar="LAYER",
            help="my_layers.py:MyAttention, package.module:MyAttention, or a name that model YAMLs may write. The code is run.",
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="What a row would give after the channels, such as 8.")
    ] = None,
    channels: Annotated[int, typer.Option(min=1, help="Channels of the feature maps that it is tried on.")] = 128,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a layer of your own: any size, batches, training, half precision, ONNX, TorchScript, memory; and what it costs.

    The exit code is 1 if a promise is broken, 2 if there is no such layer, else 0.

    Example: yolo-attn adopt my_layers.py:MyAttention

    Example: yolo-attn adopt EMA 8 --channels 256
    """
    from yolo_attn.contract.adopt import adopt as adopt_layer

    adoption = adopt_layer(layer, channels, arguments or ())
    if as_json:
        typer.echo(json.dumps(asdict(adoption), indent=2))
    else:
        typer.echo(f"{adoption.name} with {channels} channels")
        for verdict in adoption.verdicts:
            typer.echo(f"  {'ok    ' if verdict.kept else 'BROKEN'} {verdict.promise}: {verdict.measured}")
            if verdict.change:
                typer.echo(f"         change: {verdict.change}")
        if adoption.start:
            gain, rest = adoption.start.gain, adoption.start.rest
            typer.echo(f"Before training: output = {gain:.2f} * input, and {rest:.0%} of it is something else.")
            if abs(gain - 1) > 0.1 or rest > 0.1:
                typer.echo(
                    "  Pretrained rows behind it see other values; `yolo-attn insert --rezero` starts from the unchanged network."
                )
        if adoption.costs:
            typer.echo(f"Cost on a map of {channels} x 40 x 40, one thread:")
            typer.echo(f"  {'':20} {'parameters':>10} {'MFLOPs':>8} {'ms':>8}")
            for name, cost in adoption.costs.items():
                typer.echo(f"  {name:20} {cost.parameters:10,} {cost.mflops:8.1f} {cost.milliseconds:8.3f}")
    raise typer.Exit(0 if adoption.kept else 1)
