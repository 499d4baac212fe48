"""report.html and table.tex from the folders of an experiment. Nothing is trained; records and detections are read."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yolo_attn
from yolo_attn.experiment import effects
from yolo_attn.experiment.comparison import BEST, LAST, Statistics
from yolo_attn.experiment.plots import COLOURS
from yolo_attn.experiment.report import answer, detections, evidence, figures, folders, latex, pictures, plan, tables
from yolo_attn.experiment.report.evidence import statistics_of
from yolo_attn.experiment.report.folders import Study
from yolo_attn.experiment.report.sources import address, sources
from yolo_attn.experiment.settings import CORES
from yolo_attn.experiment.summary import SCORES, summarise
from yolo_attn.experiment.tables import COST, OFFICIAL, ULTRALYTICS
from yolo_attn.html_page import render
from yolo_attn.statistics.picture_errors import CONFIDENCE
from yolo_attn.storage import atomic_write

PAGE, TABLE = "report.html", "table.tex"
SECTIONS = (
    "what was run",
    "results",
    "learning curves",
    "precision over recall",
    "by class",
    "by object size",
    "kinds of errors",
    "pictures",
    "latency",
    "environment",
    "records",
)
VERSIONS = ("ultralytics", "torch")  # entries of the settings that are no training arguments


def write(bench_folders: Sequence[Path], out: Path | None = None, with_latex: bool = False) -> list[Path]:
    """Write the page of one folder, or of several that belong together; return the files that were written.

    Args:
        bench_folders: Folders of `bench`. Differences are to the first model of the first.
        out: The page; report.html in the folder by default, and in the current one if there are several.
        with_latex: Also write the comparison as table.tex beside the page.

    Raises:
        FileNotFoundError, ValueError: The folders are not of `bench`, or do not belong together; see `folders.read`.
        OSError: A file cannot be read or written.
    """
    study = folders.read(bench_folders)
    page = out or (bench_folders[0] / PAGE if len(study.folders) == 1 else Path(PAGE))
    atomic_write(page, html(study, page))
    if not with_latex:
        return [page]
    table = page.with_name(TABLE)
    atomic_write(table, latex.table(list(study.models), study.runs))
    return [page, table]


def html(study: Study, page: Path) -> str:
    """The text of the page; `page` is where it will stand, from which its links go."""
    models, runs = list(study.models), study.runs
    summaries = summarise(models, runs)
    statistics = statistics_of(study)
    stored = detections.read(Path(str(study.settings.get("data", ""))), study.recorded, statistics.checkpoint)
    gallery = pictures.gallery(models, stored)
    official = statistics.protocol == "VisDrone" or "AP" in summaries[0].scores
    values: dict[str, Any] = {
        "title": _title(models, study),
        "answer": answer.answer(models, summaries[0], statistics),
        "sections": SECTIONS,
        "models": models,
        "model_files": {name: address(file, page) if file.is_file() else "" for name, file in study.models.items()},
        "study": study,
        "plan": plan.sentence(study.folders),
        "commands": commands(study),
        "results": tables.results(summaries),
        "protocol": (OFFICIAL if official else ULTRALYTICS).removeprefix("- "),
        "cost": COST.removeprefix("- "),
        "curves": figures.learning_curves(models, runs) if runs else [],
        "precision": figures.precision_over_recall(
            models, {run: found.precision for run, found in stored.runs.items()}
        ),
        "latency": figures.latency(models, runs) if runs else None,
        "environments": tables.environments(study.recorded),
        "gallery": gallery,
        "confidence": CONFIDENCE,
        "missing": tuple(dict.fromkeys([*statistics.not_defined, *stored.missing, *gallery.missing])),
        "sources": sources(study.recorded, page),
        "palette": {"light": COLOURS, "dark": figures.DARK},
        "version": yolo_attn.__version__,
        **_differences(models, study, statistics),
    }
    return render(Path(__file__).with_name("page.html"), **values)


def _differences(models: Sequence[str], study: Study, statistics: Statistics) -> dict[str, Any]:
    """The tables and plots of what differs from the baseline."""
    epochs = [name for name in (LAST, BEST) if any(entry.checkpoint == name for entry in statistics.comparisons)]
    score = SCORES.get(statistics.metric, statistics.metric)
    to_control = [
        effect
        for model in models
        if (control := f"{model}-control") in models
        for effect in effects.overall([control, model], study.runs)
    ]
    by_class, by_size = evidence.parts(statistics, "class"), evidence.parts(statistics, "size")
    label = f"{score} less that of {models[0]}, points"
    return {
        "score": score,
        "checkpoint": statistics.checkpoint,
        "pictures": statistics.pictures,
        "differences": {
            name: tables.effects(models, evidence.overall(statistics, name), "score", "Holm's p") for name in epochs
        },
        "methods": tables.methods(models, statistics),
        "to_control": tables.effects(models, to_control, "score"),
        "by_class": tables.effects(models, by_class, "class", "q"),
        "by_class_figure": figures.effects(models, by_class, label) if by_class else "",
        "by_size": tables.effects(models, by_size, "object size, pixels", "q"),
        "by_size_figure": figures.effects(models, by_size, label) if by_size else "",
        "error_kinds": tables.error_kinds(models, statistics.errors),
    }


def _title(models: Sequence[str], study: Study) -> str:
    others = models[1] if len(models) == 2 else f"{len(models) - 1} models"
    what = models[0] if len(models) == 1 else f"{others} against {models[0]}"
    return f"{what} on {Path(str(study.settings.get('data', 'unknown data'))).stem}"


def commands(study: Study) -> list[str]:
    """Command lines that do the runs of each folder anew, with its own copies of the models."""
    settings = dict(study.settings)
    data, epochs = settings.pop("data", "?"), settings.pop("epochs", "?")
    training = [f"{key}={value}" for key, value in settings.items() if key.isidentifier() and key not in VERSIONS]
    if CORES in settings:
        training += ["--cpus-per-run", str(settings[CORES])]
    lines = []
    for folder in study.folders:
        runs = [entry.run for entry in study.recorded if entry.journal.parent == folder]
        files = ",".join(str(folder / "models" / f"{name}.yaml") for name in dict.fromkeys(run.model for run in runs))
        seeds = ",".join(map(str, sorted({run.seed for run in runs})))
        words = [
            "yolo-attn",
            "bench",
            "--models",
            files,
            "--data",
            str(data),
            "--seeds",
            seeds,
            "--epochs",
            str(epochs),
        ]
        lines += [shlex.join([*words, "--out", "NEW_FOLDER", *training])] if runs else []
    return lines
