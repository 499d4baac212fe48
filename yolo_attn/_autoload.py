"""Register the layers at the moment Ultralytics' model parser is imported, and cost nothing before.

A `.pth` (until Python 3.17) or `.start` (PEP 829) file in site-packages brings this module in at every interpreter start, so it
imports nothing that Python has not loaded already.
"""

import os
import sys

PARSER = "ultralytics.nn.tasks"


def _register() -> None:
    # A plain `from yolo_attn import plugin` would go through the package's lazy `__getattr__`.
    import importlib

    importlib.import_module("yolo_attn.plugin").install()


class _ParserFinder:
    """A one-shot `sys.meta_path` entry: finds the parser as usual and has the layers registered after its body ran."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != PARSER:
            return None
        disarm()
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _register()

        spec.loader.exec_module = exec_module
        return spec


def arm() -> None:
    """Register now if the parser is loaded already, otherwise as soon as it is."""
    if PARSER in sys.modules:
        _register()
    elif _ParserFinder not in sys.meta_path:
        sys.meta_path.insert(0, _ParserFinder)


def disarm() -> None:
    """Stop waiting for the parser."""
    if _ParserFinder in sys.meta_path:
        sys.meta_path.remove(_ParserFinder)


def start() -> None:
    """Entry point of interpreter start: importing the package has armed the hook, `YOLO_ATTN_AUTOLOAD=0` takes it back.

    The package is forgotten too, so that an explicit `import yolo_attn` later on arms it again.
    """
    if os.environ.get("YOLO_ATTN_AUTOLOAD") == "0":
        disarm()
        for name in ("yolo_attn._autoload", "yolo_attn"):
            sys.modules.pop(name, None)
