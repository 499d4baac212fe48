"""Register the layers at the moment Ultralytics' model parser is imported, and cost nothing before.

At interpreter start one of two files in site-packages is read: `_autoload.pth`, or from Python 3.15 on `_autoload.start` (PEP 829).
The first is one line that puts a finder of imports in place; it imports nothing, since looking for a module is what takes time at
start, and does no harm when the package has gone. The finder calls `find_spec` of this module, which therefore must
neither need more than the standard library nor raise.
"""

import os
import sys

PARSER = "ultralytics.nn.tasks"


def find_spec(name, path=None, target=None):
    """The parser's import spec, with a loader that registers the layers after the parser's body ran; None for any other module.

    A module with this function can be an entry of `sys.meta_path`, and this one is.
    """
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


def _register() -> None:
    # Importing it is enough. Where its own import brought the parser in, this finds it half done, and it installs at its end.
    import yolo_attn.plugin  # noqa: F401


def arm() -> None:
    """Register now if the parser is loaded already, otherwise as soon as it is."""
    if PARSER in sys.modules:
        _register()
    else:
        disarm()
        sys.meta_path.insert(0, sys.modules[__name__])


def disarm() -> None:
    """Stop waiting for the parser."""
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if finder is not sys.modules[__name__] and not getattr(finder, "yolo_attn", False)
    ]


def start() -> None:
    """Entry point of `_autoload.start`. Importing this package has armed it; `YOLO_ATTN_AUTOLOAD=0` takes that back.

    The package is forgotten too, so that an explicit `import yolo_attn` later on arms it again.
    """
    if os.environ.get("YOLO_ATTN_AUTOLOAD") == "0":
        disarm()
        for name in (__name__, __package__):
            sys.modules.pop(name, None)
