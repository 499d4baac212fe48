"""The runs of one folder of `yolo-attn bench`, or of several that have the same data set and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_attn.experiment import journal, settings
from yolo_attn.experiment.journal import Line
from yolo_attn.experiment.launch import TASK
from yolo_attn.experiment.records import FailedRun, FinishedRun, Task

PATHS = {
    "data": "content of the data YAML",
    "pretrained": "content of the checkpoint",
}  # each path: the entry that counts
Run = tuple[str, int]  # model and seed


@dataclass(frozen=True)
class Recorded:
    """A finished run and the place of its record."""

    run: FinishedRun
    folder: Path  # of the run
    journal: Path
    line: Line


@dataclass(frozen=True)
class Study:
    """The runs that a report is about."""

    folders: tuple[Path, ...]
    settings: Mapping[str, Any]  # of the first folder; the others have the same
    models: Mapping[str, Path]  # {name: its YAML}; the first is the baseline
    recorded: tuple[Recorded, ...]  # by model, then by seed
    failed: tuple[FailedRun, ...]  # without those that finished later
    unfinished: tuple[str, ...]  # runs that were started and have no record, in words
    notes: tuple[str, ...]  # sentences about what was passed over

    @property
    def runs(self) -> tuple[FinishedRun, ...]:
        return tuple(recorded.run for recorded in self.recorded)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({run.seed for run in self.runs}))


def read(folders: Sequence[Path]) -> Study:
    """Read what `bench` wrote. Where two folders have a run of the same model and seed, that of the first counts, and a note says so.

    Raises:
        FileNotFoundError: A folder is not one of `bench`.
        ValueError: Settings are damaged, or the folders differ in them or in a model of the same name.
        OSError: A file cannot be read.
    """
    if not folders:
        raise ValueError("report: no folder is given; name one that `yolo-attn bench --out` wrote")
    first, *others = studies = [_read_one(folder) for folder in dict.fromkeys(folders)]
    digests = [settings.read(study.folders[0] / settings.NAME)[1] for study in studies]
    for study, models in zip(others, digests[1:], strict=True):
        _require_same(first, study, digests[0], models)
    files = {name: file for study in reversed(studies) for name, file in study.models.items()}
    order = list(dict.fromkeys(name for study in studies for name in study.models))
    notes = [note for study in studies for note in study.notes]
    kept: dict[Run, Recorded] = {}
    for recorded in (recorded for study in studies for recorded in study.recorded):
        model, seed = key = recorded.run.model, recorded.run.seed
        if key in kept:
            notes.append(
                f"{model}, seed {seed}, is in {kept[key].journal} and in {recorded.journal}; the first counts."
            )
        kept.setdefault(key, recorded)
    return Study(
        folders=tuple(study.folders[0] for study in studies),
        settings=first.settings,
        models={name: files[name] for name in order},
        recorded=tuple(sorted(kept.values(), key=lambda entry: (order.index(entry.run.model), entry.run.seed))),
        failed=tuple(run for study in studies for run in study.failed if (run.model, run.seed) not in kept),
        unfinished=tuple(name for study in studies for name in study.unfinished),
        notes=tuple(notes),
    )


def _read_one(folder: Path) -> Study:
    path = folder / journal.NAME
    for file in (path, folder / settings.NAME):
        if not file.is_file():
            raise FileNotFoundError(f"{folder}: has no {file.name}; name a folder that `yolo-attn bench --out` wrote")
    entries = journal.read(path)
    common, models = settings.read(folder / settings.NAME)
    last: dict[Run, tuple[FinishedRun | FailedRun, Line]] = {}
    for run, line in zip(entries.runs, entries.lines, strict=True):
        if isinstance(run, FinishedRun) or (run.model, run.seed) not in last:
            last[run.model, run.seed] = run, line
    names = list(dict.fromkeys([*models, *(model for model, _ in last)]))
    recorded = [
        Recorded(run, folder / "runs" / f"{model}-seed{seed}", path, line)
        for (model, seed), (run, line) in last.items()
        if isinstance(run, FinishedRun)
    ]
    return Study(
        folders=(folder,),
        settings=common,
        models={name: folder / "models" / f"{name}.yaml" for name in names},
        recorded=tuple(recorded),
        failed=tuple(run for run, _ in last.values() if isinstance(run, FailedRun)),
        unfinished=tuple(_unfinished(folder, set(last))),
        notes=entries.damaged,
    )


def _unfinished(folder: Path, ended: set[Run]) -> list[str]:
    tasks = []
    for file in sorted((folder / "runs").glob(f"*/{TASK}")):
        try:
            task = Task.from_json(file.read_text(encoding="utf-8"))
        except ValueError:
            continue  # the folder's name says nothing about a run that can be trusted
        if (task.name, task.seed) not in ended:
            tasks.append(f"{task.name}, seed {task.seed}")
    return tasks


def _require_same(first: Study, other: Study, models: Mapping[str, str], other_models: Mapping[str, str]) -> None:
    one, two = (
        {key: value for key, value in study.settings.items() if not _is_path(key, study)} for study in (first, other)
    )
    differences = [
        f"{key} {one.get(key, 'not given')} and {two.get(key, 'not given')}"
        for key in {**one, **two}
        if one.get(key) != two.get(key)
    ]
    differences += [f"the file of {name}" for name in models if other_models.get(name, models[name]) != models[name]]
    if differences:
        where = f"{first.folders[0]} and {other.folders[0]}"
        raise ValueError(f"report: {where} cannot be joined, they differ in {'; '.join(differences)}")


def _is_path(key: str, study: Study) -> bool:
    """Whether an entry is a path to a file whose content has an entry of its own: another machine has it elsewhere."""
    return PATHS.get(key) in study.settings
