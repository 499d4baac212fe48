"""The plan of an experiment: its models, data and arguments, checked before anything is written."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from yolo_attn.model_yaml.control import control, has_attention
from yolo_attn.plugin.files import find, find_data

# Arguments of a training that the experiment decides.
RESERVED = frozenset(
    {"model", "data", "epochs", "seed", "project", "name", "save_dir", "exist_ok", "resume", "task", "mode", "time"}
)


@dataclass(frozen=True)
class Experiment:
    """Models to compare."""

    models: Sequence[str]  # YAMLs, paths or names as Ultralytics knows them; the others are compared with the first
    data: str  # the data YAML
    seeds: Sequence[int]  # 0 or above; each model is trained with each
    epochs: int
    out: Path  # folder for the results
    training: Mapping[str, Any]  # further arguments of Ultralytics' training
    with_control: bool = False  # add the `control` of each model with attention: convolutions of as many parameters
    cpus_per_run: int | None = None  # cores of a run, which are torch's threads; None leaves them to Ultralytics

    @property
    def command(self) -> str:
        """The command line that says the same."""
        parts = ["yolo-attn", "bench", "--models", ",".join(self.models), "--data", self.data]
        parts += ["--seeds", ",".join(map(str, self.seeds)), "--epochs", str(self.epochs), "--out", str(self.out)]
        parts += [f"{key}={value}" for key, value in self.training.items()]
        parts += ["--cpus-per-run", str(self.cpus_per_run)] if self.cpus_per_run else []
        return shlex.join(parts + ["--control"] * self.with_control)


@dataclass(frozen=True)
class Plan:
    """The files of an experiment, checked."""

    texts: Mapping[str, str]  # {name: text} of the model YAMLs, each control behind its model
    data: Path
    checkpoint: Path | None  # of `pretrained=`; None where no weights are carried


def check(experiment: Experiment) -> Plan:
    """Find the files of an experiment and check its arguments.

    Raises:
        FileNotFoundError: A model, the data YAML or the checkpoint is not there.
        ValueError: A file is of the wrong kind, two models have one name, a model has no control, a seed is given twice, or
            Ultralytics' training does not know an argument.
    """
    if not experiment.models:
        raise ValueError("bench: no model is given; name at least one model YAML")
    if not experiment.seeds or len(set(experiment.seeds)) < len(experiment.seeds) or min(experiment.seeds) < 0:
        seeds = ", ".join(map(str, experiment.seeds)) or "missing"
        raise ValueError(f"bench: seeds are {seeds}; give each once, 0 or above")
    _check_training(experiment)
    texts, data = _model_texts(experiment), find_data(experiment.data).resolve()
    _check_data(data)
    return Plan(texts=texts, data=data, checkpoint=_checkpoint(experiment.training.get("pretrained")))


def _model_texts(experiment: Experiment) -> dict[str, str]:
    texts: dict[str, str] = {}
    for model in experiment.models:
        name, text = Path(model).stem, _model_text(model)
        added = {name: text}
        if experiment.with_control and has_attention(text):
            try:
                added[f"{name}-control"] = control(text)
            except ValueError as error:
                raise ValueError(f"bench: {model}: {error}") from error
        if duplicates := added.keys() & texts.keys():
            raise ValueError(f"bench: two models are called {min(duplicates)}; results are kept by name, rename one")
        texts |= added
    return texts


def _model_text(model: str) -> str:
    if model.endswith(".pt"):
        way_out = f"name the YAML of its architecture, and pass its weights as pretrained={model}"
        raise ValueError(f"bench: {model} is no model YAML; {way_out}")
    file = find(model)
    text, content = _read_yaml(file)
    if not content.keys() >= {"backbone", "head"}:
        raise ValueError(f"bench: {file} is no model YAML: it has no backbone and head")
    return text


def _check_data(file: Path) -> None:
    _, content = _read_yaml(file)
    if "backbone" in content:
        raise ValueError(f"bench: {file} is a model YAML; --data takes the YAML of a data set")
    if missing := {"train", "val"} - content.keys():
        raise ValueError(f"bench: {file} is no data YAML: it has no {' and no '.join(sorted(missing))}")


def _read_yaml(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"bench: {file} is no YAML file in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"bench: {file} is a YAML file without a mapping; a model or a data set is one")
    return text, content


def _check_training(experiment: Experiment) -> None:
    from ultralytics.cfg import get_cfg

    if reserved := RESERVED & experiment.training.keys():
        names = ", ".join(sorted(reserved))
        raise ValueError(f"bench: {names} cannot be passed on; see `yolo-attn bench --help` for what can")
    try:
        get_cfg(overrides={**experiment.training, "epochs": experiment.epochs})
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"bench: {str(error).strip().splitlines()[0]}") from error  # usage of `yolo` follows


def _checkpoint(pretrained: Any) -> Path | None:
    """The file of `pretrained=`, after it was opened once: an unreadable one would cost every run."""
    from ultralytics import YOLO

    if pretrained is None or isinstance(pretrained, bool):
        return None
    if Path(str(pretrained)).suffix != ".pt":
        raise ValueError(f"bench: {pretrained=!s} is no checkpoint; give a .pt file")
    try:
        model = YOLO(str(pretrained))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"bench: {pretrained=!s} is not there") from error
    except Exception as error:  # a file that torch unpickles may raise anything
        raise ValueError(f"bench: {pretrained=!s} cannot be opened as a checkpoint: {error}") from error
    return Path(model.ckpt_path).resolve()
