"""Ultralytics finds its own YAMLs from any folder by bare name; with this it finds those of cfg/, cfg/recipes/ and data/ as well."""

import atexit
import inspect
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import yaml
from ultralytics.utils import checks

from yolo_attn.model_yaml.scale import SCALED_NAME

SUFFIXES = (".yaml", ".yml")

# The model YAML that is being loaded, if its file exists.
_existing_model: ContextVar[Path | None] = ContextVar("_existing_model", default=None)


@cache
def shipped_folder() -> Path:
    """Return the folder of cfg/ and data/: the package in a wheel, the repository in a checkout, an unpacked copy in a zip file."""
    package = Path(__file__).parents[1]
    archive = next((path for path in package.parents if path.is_file()), None)
    if archive is None:
        return package if (package / "cfg").is_dir() else package.parent
    folder = Path(tempfile.mkdtemp(prefix="yolo_attn-"))  # Ultralytics reads files, not members of archives
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(archive) as file:
        inside = package.relative_to(archive).as_posix()
        file.extractall(folder, [n for n in file.namelist() if n.startswith((f"{inside}/cfg/", f"{inside}/data/"))])
    return folder / inside


def with_existing_file_first(original: Callable) -> Callable:
    """Wrap `ultralytics.nn.tasks.yaml_model_load`: up to 8.4.0 it looks for a file without the scale letter first."""

    def yaml_model_load(path: str | Path) -> dict:
        token = _existing_model.set(Path(path) if Path(path).is_file() else None)
        try:
            return original(path)
        finally:
            _existing_model.reset(token)

    return yaml_model_load


def with_shipped_files(original: Callable) -> Callable:
    """Wrap `ultralytics.utils.checks.check_file`. A file that exists and a stock file of the same name both win over a shipped one."""

    def check_file(file: str | Path, *args: object, **kwargs: object) -> str | list:
        return original(_resolved(file, original) or file, *args, **kwargs)

    return check_file


def _resolved(file: str | Path, stock_check_file: Callable) -> str | None:
    """Return the path of the file that a name of a YAML stands for, None where it is the name itself."""
    if existing := _existing_model.get():
        return str(existing)
    path = Path(str(file).strip())
    if path.suffix not in SUFFIXES or "://" in str(file) or path.exists():
        return None
    # yolov5s-ema.yaml means yolov5-ema.yaml at scale s. Ultralytics takes the letter out of the first such pair in the
    # whole path, which turns exp2large/yolov5s.yaml into exp2arge/yolov5s.yaml; here it is the file's name alone.
    unscaled = _unscaled(path)
    if unscaled.exists():
        return str(unscaled)
    if path.is_absolute():
        return None
    shipped = shipped_folder()
    # The last is for `cfg/yolov5s-ema.yaml` written out.
    for folder in (shipped / "cfg", shipped / "data", shipped / "cfg" / "recipes", shipped):
        for name in (path, unscaled):
            if (folder / name).is_file() and not stock_check_file(str(name), hard=False):
                return str(folder / name)
    return None


def _unscaled(path: Path) -> Path:
    return path.with_name(SCALED_NAME.sub(r"\1", path.name))


def find(model: str | Path) -> Path:
    """Return the file of a model YAML given by path, or by the name under which Ultralytics finds it, with or without scale letter.

    Raises:
        ValueError: The name is not that of a YAML file.
        FileNotFoundError: There is no such file.
    """
    return _find("model", model, [Path(model), _unscaled(Path(model))], download=False)


def find_data(data: str | Path) -> Path:
    """Return the file of a data YAML given by path, by bare name, or by an address to download it from; errors as in `find`."""
    return _find("data", data, [data], download=True)


def _find(kind: str, given: str | Path, names: Sequence[str | Path], download: bool) -> Path:
    if Path(given).suffix not in SUFFIXES:
        example = ", such as yolov5s.yaml" if kind == "model" else ""
        raise ValueError(f"{given}: is no {kind} YAML; give a file that ends in .yaml{example}")
    if Path(given).is_dir():
        raise ValueError(f"{given}: is a folder; give a {kind} YAML")
    check_file = with_shipped_files(inspect.unwrap(checks.check_file))
    for name in names:
        if (file := check_file(name, download=download, hard=False)) and Path(file).is_file():
            return Path(file)
    raise FileNotFoundError(f"{given}: no such {kind} YAML here, nor among those that Ultralytics and yolo_attn bring")


@cache
def _shipped_rows() -> list[tuple[list, list]]:
    """Backbone and head of each file of cfg/."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    models = [yaml.load(file.read_bytes(), loader) for file in sorted((shipped_folder() / "cfg").glob("*.yaml"))]
    return [(model["backbone"], model["head"]) for model in models if "backbone" in model]


def is_shipped(model_yaml: object) -> bool:
    """Return whether a model's `yaml` has the rows of a file of cfg/: a checkpoint keeps them, but not the place of the file."""
    return isinstance(model_yaml, dict) and (model_yaml.get("backbone"), model_yaml.get("head")) in _shipped_rows()
