"""`yolo-attn bench`: models against each other, over seeds."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer


def bench(
    models: Annotated[
        list[str], typer.Option(help="Model YAMLs, one or more; the others are compared with the first.")
    ],
    data: Annotated[str, typer.Option(help="The data YAML.")],
    epochs: Annotated[int, typer.Option(help="Of each run.")],
    out: Annotated[Path, typer.Option(help="Folder for the results. Run again with it, what is missing is done.")],
    seeds: Annotated[list[int], typer.Option(help="One or more; each model is trained with each.")] = [0],  # noqa: B006
    control: Annotated[
        bool,
        typer.Option(
            "--control", help="Add a plain 1x1 convolution of as many parameters in place of each attention layer."
        ),
    ] = False,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Arguments of Ultralytics' training.")
    ] = None,
) -> None:
    """Train each model with each seed, score all by both protocols, and write tables and plots."""
    from ultralytics.cfg import smart_value

    from yolo_attn.experiment import plots, report
    from yolo_attn.experiment import runner as room
    from yolo_attn.experiment.settings import Experiment

    # `--models A B` and `--seeds 0 1` in one go: what follows the first is told by its form.
    rest = more or []
    training = {key: smart_value(value) for key, value in (pair.split("=", 1) for pair in rest if "=" in pair)}
    more_seeds = [int(word) for word in rest if word.isdigit()]
    more_models = [word for word in rest if "=" not in word and not word.isdigit()]
    experiment = Experiment([*models, *more_models], data, [*seeds, *more_seeds], epochs, out, training, control)
    outcome = room.run(experiment, typer.echo, partial(report.write, experiment))
    plots.write(out, outcome.models, outcome.records)
    typer.echo((out / "table.md").read_text(encoding="utf-8"))
    raise typer.Exit(int(bool(outcome.failed)))
