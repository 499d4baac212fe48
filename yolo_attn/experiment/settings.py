"""The note of a folder's settings: a folder holds runs of one kind only."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.storage import atomic_write

NAME = "settings.json"


@dataclass(frozen=True)
class FolderSettings:
    """What the runs of a folder have in common.

    Attributes:
        settings: Data, training and the versions that numbers depend on, by name.
        models: {name: digest of the model YAML}.
    """

    settings: Mapping[str, Any]
    models: Mapping[str, str]

    def to_json(self) -> str:
        """The settings as indented JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "FolderSettings":
        """Read what `to_json` wrote; ValueError for anything else."""
        values = json.loads(text)
        if not isinstance(values, dict) or not all(isinstance(values.get(key), dict) for key in ("settings", "models")):
            raise ValueError("has no settings and models")
        return cls(settings=values["settings"], models=values["models"])


def folder_settings(experiment: Experiment, plan: Plan) -> FolderSettings:
    """The settings that an experiment asks for."""
    import torch
    import ultralytics

    contents = {"content of the data YAML": _digest(plan.data.read_bytes())}
    if plan.checkpoint:
        contents["content of the checkpoint"] = _digest(plan.checkpoint.read_bytes())
    settings = {"data": str(plan.data), **contents, "epochs": experiment.epochs, **experiment.training}
    settings |= {"ultralytics": ultralytics.__version__, "torch": torch.__version__}
    models = {name: _digest(text.encode()) for name, text in plan.texts.items()}
    return FolderSettings(settings=json.loads(json.dumps(settings)), models=models)  # tuples are lists in the file


def require_same(out: Path, asked: FolderSettings) -> None:
    """Write the settings of an experiment into its folder; more models than before are no difference.

    Other settings are welcome as long as no run of the folder has finished or saved a checkpoint.

    Raises:
        FileExistsError: The folder has runs of other settings; the message names each that differs.
        ValueError: The note of a folder with runs is damaged.
    """
    file, known = out / NAME, asked.models
    if file.is_file() and has_results(out):
        try:
            before = FolderSettings.from_json(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(
                f"{file}: is damaged ({error}), so the settings of the runs beside it are unknown; name another folder"
            ) from error
        if differences := _differences(before, asked):
            raise FileExistsError(
                f"{out}: holds runs of other settings: {'; '.join(differences)}. Name another folder, or remove this one"
            )
        known = {**before.models, **asked.models}
    atomic_write(file, FolderSettings(settings=asked.settings, models=known).to_json())


def has_results(out: Path) -> bool:
    """Whether a run of a folder has finished or saved a checkpoint."""
    patterns = ("runs/*/record.json", "runs/*/trained", "runs/*/state.pt", "runs/*/weights/*.pt")
    return any(next(out.glob(pattern), None) for pattern in patterns)


def _differences(before: FolderSettings, asked: FolderSettings) -> list[str]:
    keys = {**before.settings, **asked.settings}
    settings = [
        f"{key} {before.settings.get(key, 'not given')}, now {asked.settings.get(key, 'not given')}"
        for key in keys
        if before.settings.get(key) != asked.settings.get(key)
    ]
    models = [name for name in asked.models if before.models.get(name, asked.models[name]) != asked.models[name]]
    return settings + [f"the file of {name} was another" for name in models]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
