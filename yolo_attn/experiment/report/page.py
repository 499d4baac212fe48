"""report.html and table.tex from the folders of an experiment. Nothing is trained; records and detections are read."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yolo_attn
from yolo_attn.experiment import effects
from yolo_attn.experiment.plots import COLOURS
from yolo_attn.experiment.report import answer, detections, figures, folders, latex, pictures, tables
from yolo_attn.experiment.report.detections import Stored
from yolo_attn.experiment.report.folders import Study
from yolo_attn.experiment.report.sources import address, sources
from yolo_attn.experiment.summary import SCORES, summarise
from yolo_attn.experiment.tables import COST, OFFICIAL, ULTRALYTICS
from yolo_attn.html_page import render
from yolo_attn.storage import atomic_write
from yolo_attn.visdrone.evaluation.evaluate import CONFIDENCE

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


def write(sources: Sequence[Path], out: Path | None = None, with_latex: bool = False) -> list[Path]:
    """Write the page of one folder, or of several that belong together; return the files that were written.

    Args:
        sources: Folders of `bench`. Differences are to the first model of the first.
        out: The page; report.html in the folder by default, and in the current one if there are several.
        with_latex: Also write the comparison as table.tex beside the page.

    Raises:
        FileNotFoundError, ValueError: The folders are not of `bench`, or do not belong together; see `folders.read`.
        OSError: A file cannot be read or written.
    """
    study = folders.read(sources)
    page = out or (sources[0] / PAGE if len(study.folders) == 1 else Path(PAGE))
    atomic_write(page, html(study, page))
    if not with_latex:
        return [page]
    table = page.with_name(TABLE)
    atomic_write(table, latex.table(list(study.models), study.runs))
    return [page, table]


def html(study: Study, page: Path) -> str:
    """The text of the page; `page` is where it will stand, from which its links go."""
    models, stored = list(study.models), detections.read(study)
    values: dict[str, Any] = {
        "title": _title(models, study),
        "models": models,
        "model_files": {name: address(file, page) if file.is_file() else "" for name, file in study.models.items()},
        "study": study,
        "commands": [_command(study, folder) for folder in study.folders],
        "resumed": [
            f"{run.model}, seed {run.seed}, after epoch {', '.join(map(str, run.resumed_after))}"
            for run in study.runs
            if run.resumed_after
        ],
        "sources": sources(study.recorded, page),
        "palette": {"light": COLOURS, "dark": figures.DARK},
        "version": yolo_attn.__version__,
        "plan": "No plan was named.",
        "method": "Student's t over seeds.",
        "parts_method": "Student's t over seeds, not corrected for the number of rows.",
        "error_kinds": tables.Table((), ()),
        "sections": SECTIONS,
        "confidence": CONFIDENCE,
        **_scores(models, study),
        **_stored(models, stored),
    }
    return render(Path(__file__).with_name("page.html"), **values)


def _scores(models: Sequence[str], study: Study) -> dict[str, Any]:
    """What the records say."""
    runs = study.runs
    lead = effects.leading_score(runs)
    summaries = summarise(models, runs)
    overall = effects.overall(models, runs)
    on_lead = [effect for effect in overall if lead and effect.part == SCORES[lead]]
    by_class = effects.by_class(models, runs, lead) if lead else []
    name = SCORES[lead] if lead else None
    to_control = [
        effect
        for model in models
        if (plain := f"{model}-control") in models
        for effect in effects.overall([plain, model], runs)
        if effect.part == name
    ]
    return {
        "score": name,
        "answer": answer.answer(models, name, summaries[0].scores[lead] if lead else None, on_lead),
        "results": tables.results(summaries),
        "protocol": (OFFICIAL if "AP" in summaries[0].scores else ULTRALYTICS).removeprefix("- "),
        "cost": COST.removeprefix("- "),
        "differences": tables.effects(models, overall, "score"),
        "to_control": tables.effects(models, to_control, "score"),
        "by_class": tables.effects(models, by_class, "class"),
        "by_class_figure": figures.effects(models, by_class, f"{name} less that of {models[0]}, points")
        if by_class
        else "",
        "curves": figures.learning_curves(models, runs) if runs else [],
        "latency": figures.latency(models, runs) if runs else None,
        "environments": tables.environments(study.recorded),
    }


def _stored(models: Sequence[str], stored: Stored) -> dict[str, Any]:
    """What the stored detections say."""
    ranges = dict.fromkeys(name for details in stored.runs.values() for name in details.by_size)
    by_size = effects.effects(
        models,
        {
            name: {
                model: {
                    seed: run.by_size[name]
                    for (of, seed), run in stored.runs.items()
                    if of == model and name in run.by_size
                }
                for model in models
            }
            for name in ranges
        },
    )
    gallery = pictures.gallery(models, stored)
    return {
        "missing": (*stored.missing, *gallery.missing),
        "precision": figures.precision_over_recall(
            models, {run: details.precision for run, details in stored.runs.items()}
        ),
        "by_size": tables.effects(models, by_size, "object size, pixels"),
        "by_size_figure": figures.effects(models, by_size, f"official AP less that of {models[0]}, points")
        if by_size
        else "",
        "gallery": gallery,
    }


def _title(models: Sequence[str], study: Study) -> str:
    others = models[1] if len(models) == 2 else f"{len(models) - 1} models"
    what = models[0] if len(models) == 1 else f"{others} against {models[0]}"
    return f"{what} on {Path(str(study.settings.get('data', 'unknown data'))).stem}"


def _command(study: Study, folder: Path) -> str:
    """A command line that does the runs of a folder anew, with its own copies of the models."""
    known = {name for name, file in study.models.items() if file.parent.parent == folder}
    seeds = sorted({entry.run.seed for entry in study.recorded if entry.journal.parent == folder})
    settings = dict(study.settings)
    data, epochs = settings.pop("data", "?"), settings.pop("epochs", "?")
    files = ",".join(str(study.models[name]) for name in study.models if name in known)
    words = ["yolo-attn", "bench", "--models", files, "--data", str(data), "--seeds", ",".join(map(str, seeds))]
    words += ["--epochs", str(epochs), "--out", "NEW_FOLDER"]
    return shlex.join(
        words + [f"{key}={value}" for key, value in settings.items() if key.isidentifier() and key not in VERSIONS]
    )
