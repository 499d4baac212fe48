"""`yolo-attn bench`: compare models over seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer


def bench(
    models: Annotated[
        list[str],
        typer.Option(
            metavar="A.YAML,B.YAML", help="Model YAMLs, separated by commas. The others are compared with the first."
        ),
    ],
    data: Annotated[str, typer.Option(help="Data YAML: a path, or a name as Ultralytics knows it.")],
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the results. Run again with the same folder to finish missing runs.")
    ],
    seeds: Annotated[
        list[str], typer.Option(metavar="0,1,2", help="Seeds, separated by commas; each model is trained with each.")
    ] = ["0"],  # noqa: B006  typer copies it
    control: Annotated[
        bool,
        typer.Option(
            "--control",
            help="Also train each attention model with a plain 1x1 convolution of as many parameters in place of each layer.",
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at once on this machine.")] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Do the runs on a Ray cluster: HOST:PORT, auto for the one that this machine is in, or local to start one here.",
        ),
    ] = None,
    gpus_per_run: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="N", help="With --ray: GPUs of a run; 0.5 lets two share one. Default: 1 if there are GPUs."
        ),
    ] = None,
    cpus_per_run: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="CPU cores of a run, which are torch's threads. Scores on a CPU depend on it in their last digits, "
            "so it belongs to the settings of a folder. Default: all cores but one, at most eight.",
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Train one epoch of each model and print what the runs take and what differences they can detect.",
        ),
    ] = False,
    plan_file: Annotated[
        Path | None,
        typer.Option(help="As --plan; also write it to this file, whose digest and time are noted in the folder."),
    ] = None,
    spread: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            help="With --plan: standard deviation between seeds of the difference of two models. "
            "Default: of the runs that are finished.",
        ),
    ] = None,
    latex: Annotated[
        bool, typer.Option("--latex", help="Also write the comparison as table.tex, in booktabs' style.")
    ] = False,
    training: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Arguments of Ultralytics' training, such as imgsz=640."),
    ] = None,
) -> None:
    """Train every model with every seed, score each run, and write tables, plots and a report.

    Interrupted? Run the command again: finished runs are kept, interrupted ones resume. The exit code is 1 if a run failed.

    Example: yolo-attn bench --models yolov5n.yaml,yolov5n-ema.yaml --data aerial-demo.yaml --seeds 0,1,2 --epochs 12
    --out runs/bench imgsz=416
    """
    arguments, names, numbers = key_values(training or ()), listed(models), seed_numbers(listed(seeds))
    if ray is not None and jobs != 1:
        raise ValueError(
            "bench: --jobs is for one machine; with --ray, --cpus-per-run and --gpus-per-run say how many runs fit"
        )
    if ray is None and gpus_per_run is not None:
        raise ValueError("bench: --gpus-per-run is of use with --ray only; `--ray local` starts Ray on this machine")
    if spread is not None and not (plan or plan_file):
        raise ValueError("bench: --spread is of use with --plan or --plan-file only")
    if spread is not None and not spread > 0:
        raise ValueError(f"bench: --spread is {spread:g}; give percentage points above 0")

    from yolo_attn.experiment import runner, written_plan
    from yolo_attn.experiment.cluster import ray_cluster
    from yolo_attn.experiment.places import this_machine
    from yolo_attn.experiment.plan import Experiment
    from yolo_attn.experiment.report import page

    experiment = Experiment(
        models=names,
        data=data,
        seeds=numbers,
        epochs=epochs,
        out=out,
        training=arguments,
        with_control=control,
        cpus_per_run=cpus_per_run,
    )
    place = this_machine(jobs) if ray is None else ray_cluster(ray, experiment, gpus_per_run)
    if plan or plan_file:
        typer.echo(written_plan.plan_experiment(experiment, plan_file, spread, typer.echo, place))
        return
    outcome = runner.run(experiment, typer.echo, place)
    typer.echo(outcome.table)
    for file in page.write([out], with_latex=latex):
        typer.echo(file)
    raise typer.Exit(int(bool(outcome.failed)))


def listed(options: Sequence[str]) -> list[str]:
    """The entries of an option that separates them by commas, may be repeated, or both."""
    return [entry.strip() for option in options for entry in option.split(",") if entry.strip()]


def seed_numbers(words: Sequence[str]) -> list[int]:
    """Seeds as they were typed -> numbers; ValueError for a word that is no number."""
    for word in words:
        if not word.isdecimal():
            raise ValueError(f"bench: --seeds takes whole numbers separated by commas, such as 0,1,2, and not {word!r}")
    return [int(word) for word in words]


def key_values(words: Sequence[str]) -> dict[str, Any]:
    """Words such as imgsz=640 -> {"imgsz": 640}; ValueError for a word of another form, and for a key that is given twice."""
    from ultralytics.cfg import smart_value

    values: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            rule = "Training arguments are KEY=VALUE; several models or seeds are separated by commas"
            raise ValueError(f"bench: what is {word!r}? {rule}")
        if key in values:
            raise ValueError(f"bench: {key} is given twice, as {values[key]} and {value}; give it once")
        values[key] = smart_value(value)
    return values
