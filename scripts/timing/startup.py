"""The cost of the plug-in where it is not used: interpreter start-up, and the time to build a model.

python -m scripts.timing.startup [--pairs 200] [--builds 30]. Start-up is `python -c pass` in two new virtual environments, one with the
package installed; building is yolov5x from the stock YAML and with one EMA row, in one process.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import typer

from scripts import results
from scripts.timing.timer import interleaved, ratio, seconds, spread


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


def main(pairs: int = 200, builds: int = 30) -> None:
    """Measure and save the table. The time is that on the clock: most of it passes in another process."""
    with tempfile.TemporaryDirectory() as folder:
        pythons = {name: environment(Path(folder) / name, name == "with") for name in ("without", "with")}
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

        def start(python: Path) -> float:
            return 1e3 * seconds(lambda: subprocess.run([python, "-c", "pass"], env=clean, check=True))

        starts = interleaved(pythons, pairs, start)
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    def build(model: dict) -> float:
        return 1e3 * seconds(lambda: DetectionModel(model, verbose=False))

    models = {"without": yaml_model_load("yolov5x.yaml"), "with": yaml_model_load("yolov5x-ema.yaml")}
    rows = []
    for case, rounds, times in (
        ("interpreter start-up, `python -c pass`", pairs, starts),
        ("building yolov5x, no row against one EMA row", builds, interleaved(models, builds, build)),
    ):
        without, present = times["without"], times["with"]
        rows.append((case, rounds, spread(without), spread(present), ratio(present, without)))
    columns = ("", "pairs", "without, ms", "with, ms", "with / without")
    results.save("startup", columns, rows, results.made("torch", "ultralytics"))


if __name__ == "__main__":
    typer.run(main)
