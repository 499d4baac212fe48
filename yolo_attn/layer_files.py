"""Layers in a Python file of the user's own: `layers: my_layers.py` in a model YAML, or the environment variable YOLO_ATTN_LAYERS.

The file is imported as the module `yolo_attn.layer_files.my_layers`, and that is what checkpoints keep of its classes. Whoever opens
such a checkpoint needs the file. It is looked for beside the checkpoint, where a training puts a copy, in the folder above, among
the files of YOLO_ATTN_LAYERS, and in the current folder.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

VARIABLE = "YOLO_ATTN_LAYERS"
__path__: list[str] = []  # makes this module a package; its modules are found by `Finder` alone

# Where the checkpoint that is being read lies.
checkpoint_folder: ContextVar[Path | None] = ContextVar("checkpoint_folder", default=None)
_sources: dict[str, bytes] = {}  # name of each imported module -> the file's content at that time


def load(file: str | Path) -> ModuleType:
    """Import a file of layers, once for each process; again if it was edited since, as in a notebook.

    A file that is gone, but was found beside the checkpoint that is being continued, counts as imported.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no Python file, it cannot be imported, or another file of this name was imported before.
    """
    file = Path(file).absolute()
    if file.suffix != ".py" or "." in file.stem:
        raise ValueError(f"{file}: layers are read from a Python file; give one that ends in .py and has no other dot")
    name = f"{__name__}.{file.stem}"
    module = sys.modules.get(name)
    if not file.is_file():
        if module is not None:
            return module
        raise FileNotFoundError(f"{file}: no such file; `layers:` and {VARIABLE} name Python files with layers")
    content = file.read_bytes()
    if module is not None and _sources.get(name) == content:
        return module
    if module is not None and Path(str(module.__file__)) != file:
        raise ValueError(
            f"{file}: differs from {module.__file__}, which is in use under the same name; rename one, start a new process, or, "
            "to continue a training, put back the copy that it began with"
        )
    spec = spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # of a .py file
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{file}: cannot be imported ({type(error).__name__}: {error})") from error
    _sources[name] = content
    return module


def files_of_environment() -> list[Path]:
    """Return the files that YOLO_ATTN_LAYERS names, separated as in PATH."""
    return [Path(entry) for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry]


def source(module: str) -> bytes:
    """Return the content of the file that a module of this package was imported from, as it was at that time."""
    return _sources[module]


class Finder:
    """Imports `yolo_attn.layer_files.my_layers` when a checkpoint asks for it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return the import spec of a file of layers; None for any other module.

        Raises:
            ImportError: There is no such file. No ModuleNotFoundError, for which Ultralytics would install a package of that name.
        """
        parent, _, stem = name.rpartition(".")
        if parent != __name__:
            return None
        file = next((file for file in _candidates(f"{stem}.py") if file.is_file()), None)
        if file is None:
            raise ImportError(
                f"the layers of this checkpoint are defined in {stem}.py, which was not found; put that file beside the checkpoint or into "
                f"the current folder, or set {VARIABLE} to its path"
            )
        _sources[name] = file.read_bytes()
        return spec_from_file_location(name, file.absolute())


def _candidates(file_name: str) -> Iterator[Path]:
    folder = checkpoint_folder.get()
    if folder is not None:
        yield folder / file_name
        yield folder.parent / file_name  # of runs/detect/train/weights/best.pt, the folder of the run
    yield from (file for file in files_of_environment() if file.name == file_name)
    yield Path(file_name)


sys.meta_path.insert(0, Finder())
