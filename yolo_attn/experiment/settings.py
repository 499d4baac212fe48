"""What an experiment compares, and that a folder holds runs of one kind only."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yolo_attn.model_yaml.control import control, has_attention
from yolo_attn.plugin.files import find
from yolo_attn.storage import atomic_write

SETTINGS = "settings.json"
# Where training goes and what it goes on from are not the caller's to say.
OWN = frozenset(
    {"model", "data", "epochs", "seed", "project", "name", "save_dir", "exist_ok", "resume", "task", "mode", "time"}
)


@dataclass(frozen=True)
class Experiment:
    """What to compare.

    Attributes:
        models: Model YAMLs, paths or names as Ultralytics knows them; the first is the one that the others are compared with.
        data: The data YAML.
        seeds: Of each model.
        epochs: Of each run.
        out: Folder for the results.
        training: Further arguments of Ultralytics' training, by name.
        with_control: Add to each model with attention the one with a plain convolution of as many parameters; see `control`.
    """

    models: Sequence[str]
    data: str
    seeds: Sequence[int]
    epochs: int
    out: Path
    training: Mapping
    with_control: bool = False

    @property
    def command(self) -> str:
        """The command line that says the same."""
        parts = ["yolo-attn", "bench", "--models", *self.models, "--data", self.data, "--seeds", *map(str, self.seeds)]
        parts += ["--epochs", str(self.epochs), "--out", str(self.out)]
        parts += [f"{key}={value}" for key, value in self.training.items()]
        return shlex.join(parts + ["--control"] * self.with_control)


def model_texts(experiment: Experiment) -> dict[str, str]:
    """{name: text} of the models, each control behind its model.

    Raises:
        FileNotFoundError: There is no such model YAML.
        ValueError: Two have one name, or one has no control.
    """
    texts: dict[str, str] = {}
    for model in experiment.models:
        name, text = Path(model).stem, find(model).read_text(encoding="utf-8")
        added = {name: text}
        if experiment.with_control and has_attention(text):
            try:
                added[f"{name}-control"] = control(text)
            except ValueError as error:
                raise ValueError(f"bench: {model}: {error}") from error
        if twice := added.keys() & texts.keys():
            raise ValueError(f"bench: two models are called {min(twice)}; results are kept by name, rename one")
        texts |= added
    return texts


def checked_training(experiment: Experiment) -> dict:
    """The training arguments, after Ultralytics has looked at their names and types.

    Raises:
        ValueError: One is unknown, of a wrong type, or not the caller's to give; or a seed is given twice.
    """
    from ultralytics.cfg import get_cfg

    if not experiment.seeds or len(set(experiment.seeds)) < len(experiment.seeds):
        raise ValueError(f"bench: seeds are {', '.join(map(str, experiment.seeds)) or 'missing'}; give each once")
    if own := OWN & experiment.training.keys():
        raise ValueError(
            f"bench: {', '.join(sorted(own))} cannot be passed on; see `yolo-attn bench --help` for what can"
        )
    try:
        get_cfg(overrides={**experiment.training, "epochs": experiment.epochs})
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"bench: {str(error).strip().splitlines()[0]}") from error  # usage of `yolo` follows
    return dict(experiment.training)


def common(experiment: Experiment, data: Path, training: dict) -> dict:
    """What all runs of a folder have in common: data, training, and the versions that numbers depend on."""
    import torch
    import ultralytics

    versions = {"ultralytics": ultralytics.__version__, "torch": torch.__version__}
    described = {"data": str(data), "content of the data YAML": _digest(data.read_text(encoding="utf-8"))}
    return described | {"epochs": experiment.epochs} | training | versions


def require_same(out: Path, settings: dict, texts: Mapping[str, str]) -> None:
    """Note settings and models of an experiment in its folder; more models than before are no difference.

    Raises:
        FileExistsError: The folder has runs of other settings; the message names each that differs.
    """
    file, models = out / SETTINGS, {name: _digest(text) for name, text in texts.items()}
    settings = json.loads(json.dumps(settings))  # tuples are lists in the file
    before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"settings": settings, "models": {}}
    known = before["models"]
    odd = [
        f"{key} {before['settings'].get(key, 'not given')}, now {settings.get(key, 'not given')}"
        for key in {**before["settings"], **settings}
        if before["settings"].get(key) != settings.get(key)
    ]
    odd += [f"the file of {name} was another" for name in models if known.get(name, models[name]) != models[name]]
    if odd:
        raise FileExistsError(
            f"{out}: holds runs of other settings: {'; '.join(odd)}. Name another folder, or remove this one"
        )
    atomic_write(file, (json.dumps({"settings": settings, "models": known | models}, indent=2) + "\n").encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
