"""Register the layers whenever Ultralytics' model parser is imported, and cost nothing before.

Installed as the top-level module `_yolo_attn_autoload`, which `yolo_attn_autoload.pth` (up to Python 3.17) or `yolo_attn_autoload.start`
(PEP 829, from Python 3.15 on) calls at interpreter start. Nothing of the package is imported at that time, since a file of the user may
have its name, and since it would take time.
"""

import os
import sys

TYPE_CHECKING = False  # importing typing, or what is only needed later, would take time at every start of Python
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PARSER = "ultralytics.nn.tasks"
COMMAND = "ultralytics.cfg"  # the command `yolo` looks for the file of `cfg=` before anything imports the parser
DATA = "ultralytics.data.dataset"  # may be imported after the parser, and the plug-in replaces a part of it


class Finder:
    """Finds the parser and the data sets as the other finders do, and has the plug-in installed once the body of one has run.

    For a command with `cfg=` that is done as soon as the command is there, so that shipped recipes are found.

    It stays on `sys.meta_path`, since `importlib.reload` runs the body again.
    """

    yolo_attn = True

    def __init__(self) -> None:
        self.searching = False

    def find_spec(
        self, name: str, path: "list[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return the import spec of one of the modules with a loader that registers the layers; None for any other module."""
        if self.searching or not (name in (PARSER, DATA) or (name == COMMAND and _takes_recipe())):
            return None
        self.searching = True
        try:
            specs = (finder.find_spec(name, path, target) for finder in list(sys.meta_path))
            spec = next((spec for spec in specs if spec is not None), None)
        finally:
            self.searching = False
        if spec is not None:
            spec.loader.exec_module = _then_register(spec.loader.exec_module)  # type: ignore[union-attr, method-assign]
        return spec


def _takes_recipe() -> bool:
    # A parser that is being imported registers by itself, and cannot be used before.
    return PARSER not in sys.modules and any(argument.startswith("cfg=") for argument in sys.argv[1:])


def _then_register(execute: "Callable") -> "Callable":
    def exec_module(module: "ModuleType") -> None:
        execute(module)
        if module.__name__ == DATA and not hasattr(sys.modules.get(PARSER), "parse_model"):
            return  # the parser is still to come, and everything is installed then
        try:
            _register()
        except Exception as error:
            _step_aside(repr(error))

    return exec_module


def _register() -> None:
    import importlib
    import importlib.util

    spec = importlib.util.find_spec("yolo_attn")
    if spec is None:
        return  # this file was left behind when the package was removed
    if spec.submodule_search_locations is None:  # importing it would run a stranger's program
        return _step_aside(f"{spec.origin} hides the package, rename that file")
    plugin = importlib.import_module("yolo_attn.plugin")
    # Where the plug-in's own import brought the parser in, it is half done here, and installs at its end.
    if hasattr(plugin, "install"):
        plugin.install()


def _step_aside(reason: str) -> None:
    import logging

    logging.getLogger("ultralytics").warning(
        f"yolo_attn: the attention layers are not available: {reason}. "
        "Everything else of Ultralytics works; YOLO_ATTN_AUTOLOAD=0 turns this message off."
    )


def arm() -> None:
    """Register when the parser is imported, and now if it is already."""
    if not any(getattr(finder, "yolo_attn", False) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]  # called with positions only
    if PARSER in sys.modules:
        import yolo_attn.plugin  # noqa: F401


def start() -> None:
    """Arm at interpreter start, unless `YOLO_ATTN_AUTOLOAD=0`. Called by `yolo_attn_autoload.pth` and `.start`."""
    if os.environ.get("YOLO_ATTN_AUTOLOAD") != "0":
        arm()
