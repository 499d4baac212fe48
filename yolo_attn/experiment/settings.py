"""settings.json of an experiment's folder: what its runs have in common. A folder holds runs of one kind only."""

import hashlib
import json
from pathlib import Path
from typing import Any

from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.storage import atomic_write, digest

NAME = "settings.json"
CORES = "CPU cores of a run"  # the entry of --cpus-per-run
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
    models = {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in plan.texts.items()}
    if file.is_file() and any(any(out.glob(pattern)) for pattern in RESULTS):
        earlier_settings, earlier_models = read(file)
        differences = [
            f"{key} {earlier_settings.get(key, 'not given')}, now {settings.get(key, 'not given')}"
            for key in {**earlier_settings, **settings}
            if earlier_settings.get(key) != settings.get(key)
        ]
        changed = [name for name in models if earlier_models.get(name, models[name]) != models[name]]
        differences += [f"the file of {name} was another" for name in changed]
        if differences:
            problem = f"holds runs of other settings: {'; '.join(differences)}"
            raise FileExistsError(f"{out}: {problem}. Name another folder, or remove this one")
        models = {**earlier_models, **models}
    atomic_write(file, json.dumps({"settings": settings, "models": models}, indent=2) + "\n")


def _settings(experiment: Experiment, plan: Plan) -> dict[str, Any]:
    """Data, training, and the versions that numbers depend on, as JSON keeps them."""
    import torch
    import ultralytics

    contents = {"content of the data YAML": digest(plan.data)[:12]}
    if plan.checkpoint:
        contents["content of the checkpoint"] = digest(plan.checkpoint)[:12]
    settings = {"data": str(plan.data), **contents, "epochs": experiment.epochs, **experiment.training}
    if experiment.cpus_per_run:
        settings[CORES] = experiment.cpus_per_run
    versions = {"ultralytics": ultralytics.__version__, "torch": torch.__version__}
    return json.loads(json.dumps({**settings, **versions}))  # tuples are lists in the file


def read(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read the settings of a folder, and {model: digest of its YAML}.

    Raises:
        ValueError: The file is damaged.
        OSError: The file cannot be read.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return dict(content["settings"]), dict(content["models"])
    except (KeyError, TypeError, ValueError) as error:
        unknown = "so the settings of the runs beside it are unknown; name another folder"
        raise ValueError(f"{file}: is damaged ({error!r}), {unknown}") from error
