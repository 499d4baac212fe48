"""Ultralytics finds its own YAMLs from any folder by bare name; with this it finds those of cfg/ and data/ as well."""

from contextvars import ContextVar
from pathlib import Path

from yolo_attn.model_yaml.scale import SCALED_NAME

PACKAGE = Path(__file__).parents[1]
SHIPPED = PACKAGE if (PACKAGE / "cfg").is_dir() else PACKAGE.parent  # a wheel carries cfg/ and data/ inside the package

_existing: ContextVar[Path | None] = ContextVar(
    "_existing", default=None
)  # the model YAML that is being loaded, if it exists


def with_existing_file_first(original):
    """Wrap `ultralytics.nn.tasks.yaml_model_load`: up to 8.4.0 it looks for a file without the scale letter first."""

    def yaml_model_load(path):
        token = _existing.set(Path(path) if Path(path).is_file() else None)
        try:
            return original(path)
        finally:
            _existing.reset(token)

    return yaml_model_load


def with_shipped_files(original):
    """Wrap `ultralytics.utils.checks.check_file`. A file that exists and a stock file of the same name both win over ours."""

    def check_file(file, *args, **kwargs):
        return original(_meant(file, original) or file, *args, **kwargs)

    return check_file


def _meant(file, original) -> str | None:
    """The file that a model or data YAML stands for, where it is another."""
    if _existing.get():
        return str(_existing.get())
    path = Path(str(file).strip())
    if path.suffix not in {".yaml", ".yml"} or "://" in str(file) or path.exists():
        return None
    # yolov5s-ema.yaml means yolov5-ema.yaml at scale s. Ultralytics takes the letter out of the first such pair in the
    # whole path, which turns exp2large/yolov5s.yaml into exp2arge/yolov5s.yaml; here it is the file's name alone.
    unscaled = path.with_name(SCALED_NAME.sub(r"\1", path.name))
    if unscaled.exists():
        return str(unscaled)
    if path.is_absolute():
        return None
    for folder in (SHIPPED / "cfg", SHIPPED / "data", SHIPPED):  # the last for `cfg/yolov5s-ema.yaml` written out
        for name in (path, unscaled):
            if (folder / name).is_file() and not original(str(name), hard=False):
                return str(folder / name)
    return None


def find(base: str | Path) -> Path:
    """The file of a model YAML given by path, or by the name under which Ultralytics finds it, with or without scale letter.

    Raises:
        FileNotFoundError: There is no such file.
    """
    from ultralytics.utils.checks import check_yaml  # now: at import time it is not wrapped yet

    base = Path(base)
    unscaled = base.with_name(SCALED_NAME.sub(r"\1", base.name))
    file = check_yaml(base, hard=False) or check_yaml(unscaled, hard=False)
    if not file:
        raise FileNotFoundError(
            f"{base}: no such model YAML here, nor among those that Ultralytics and yolo_attn bring"
        )
    return Path(file)
