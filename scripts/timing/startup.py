"""What the plug-in costs where it is not used: interpreter start-up, and the time to build a model.

python -m scripts.timing.startup [--pairs 200] [--builds 30]. Start-up is `python -c pass` in two new virtual environments, one with the
package installed; building is yolov5x from the stock YAML and with one EMA row, in one process.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import typer

from scripts import results
from scripts.timing.timer import interleaved, ratio, spread


def environment(folder: Path, package: bool) -> Path:
    """The interpreter of a new virtual environment, with or without the package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    if package:
        pip = [sys.executable, "-m", "pip", "--quiet"]
        build = [*pip, "wheel", "--no-deps", "--no-build-isolation", results.ROOT, "--wheel-dir", folder]
        subprocess.run(build, check=True)
        subprocess.run([*pip, "--python", python, "install", "--no-deps", *folder.glob("*.whl")], check=True)
    return python


def clock(call: Callable[[], object]) -> float:
    """Milliseconds on the clock: most of the time passes in another process."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def main(pairs: int = 200, builds: int = 30) -> None:
    """Measure and save the table."""
    with tempfile.TemporaryDirectory() as folder:
        pythons = {name: environment(Path(folder) / name, name == "with") for name in ("without", "with")}
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

        def start(python: Path) -> Callable[[], object]:
            return lambda: subprocess.run([python, "-c", "pass"], env=clean, check=True)

        starts = interleaved({name: start(python) for name, python in pythons.items()}, pairs, clock)
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    def build(model: dict) -> Callable[[], object]:
        return lambda: DetectionModel(model, verbose=False)

    models = {"without": "yolov5x.yaml", "with": "yolov5x-ema.yaml"}
    building = interleaved({key: build(yaml_model_load(name)) for key, name in models.items()}, builds, clock)
    rows = [
        (what, rounds, spread(times["without"]), spread(times["with"]), ratio(times["with"], times["without"]))
        for what, rounds, times in (
            ("interpreter start-up, `python -c pass`", pairs, starts),
            ("building yolov5x, no row against one EMA row", builds, building),
        )
    ]
    columns = ("", "pairs", "without, ms", "with, ms", "with / without")
    results.save("startup", columns, rows, results.made("torch", "ultralytics"))


if __name__ == "__main__":
    typer.run(main)
