"""settings.json of an experiment's folder: what its runs have in common. A folder holds runs of one kind only."""

import hashlib
import json
from pathlib import Path
from typing import Any

from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.storage import atomic_write

NAME = "settings.json"
RESULTS = ("runs/*/record.json", "runs/*/trained", "runs/*/state.pt", "runs/*/weights/*.pt")


def require_same(experiment: Experiment, plan: Plan) -> None:
    """Write the settings of an experiment and a digest of each model into its folder; more models than before are no difference.

    Other settings are welcome as long as no run of the folder has finished or saved a checkpoint.

    Raises:
        FileExistsError: The folder has runs of other settings; the message names each that differs.
        ValueError: The settings of a folder with runs are damaged.
    """
    out, file = experiment.out, experiment.out / NAME
    settings = _settings(experiment, plan)
    models = {name: _digest(text.encode()) for name, text in plan.texts.items()}
    if file.is_file() and any(any(out.glob(pattern)) for pattern in RESULTS):
        earlier_settings, earlier_models = _read(file)
        differences = [
            f"{key} {earlier_settings.get(key, 'not given')}, now {settings.get(key, 'not given')}"
            for key in {**earlier_settings, **settings}
            if earlier_settings.get(key) != settings.get(key)
        ]
        for name, digest in models.items():
            if earlier_models.get(name, digest) != digest:
                differences.append(f"the file of {name} was another")
        if differences:
            raise FileExistsError(
                f"{out}: holds runs of other settings: {'; '.join(differences)}. Name another folder, or remove this one"
            )
        models = {**earlier_models, **models}
    atomic_write(file, json.dumps({"settings": settings, "models": models}, indent=2) + "\n")


def _settings(experiment: Experiment, plan: Plan) -> dict[str, Any]:
    """Data, training, and the versions that numbers depend on, as JSON keeps them."""
    import torch
    import ultralytics

    contents = {"content of the data YAML": _digest(plan.data.read_bytes())}
    if plan.checkpoint:
        contents["content of the checkpoint"] = _digest(plan.checkpoint.read_bytes())
    settings = {"data": str(plan.data), **contents, "epochs": experiment.epochs, **experiment.training}
    versions = {"ultralytics": ultralytics.__version__, "torch": torch.__version__}
    return json.loads(json.dumps({**settings, **versions}))  # tuples are lists in the file


def _read(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not all(
            isinstance(content.get(key), dict) for key in ("settings", "models")
        ):
            raise ValueError("has no settings and models")
    except ValueError as error:
        raise ValueError(
            f"{file}: is damaged ({error}), so the settings of the runs beside it are unknown; name another folder"
        ) from error
    return content["settings"], content["models"]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
