"""What the plug-in costs where it is not used: interpreter start-up, and the time to build a model.

python scripts/overhead.py prints a Markdown table. Start-up is `python -c pass` in two new virtual environments, one with the package
installed, in interleaved pairs; building is yolov5x from the stock YAML and with one EMA row, interleaved in one process.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import typer
from measuring import commit, processor

ROOT = Path(__file__).parents[1]


def environment(folder: Path, package: bool) -> Path:
    """The interpreter of a new virtual environment, with or without the package."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    if package:
        pip = [sys.executable, "-m", "pip", "--quiet"]
        subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", ROOT, "--wheel-dir", folder], check=True)
        subprocess.run([*pip, "--python", python, "install", "--no-deps", *folder.glob("*.whl")], check=True)
    return python


def seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleaved(actions: list, rounds: int) -> np.ndarray:
    """Seconds of each action in each round, (rounds, actions); the order turns around every round."""
    for action in actions:
        action()
    times = np.empty((rounds, len(actions)))
    for number in range(rounds):
        for position in range(len(actions))[:: 1 if number % 2 else -1]:
            times[number, position] = seconds(actions[position])
    return times


def row(name: str, times: np.ndarray) -> str:
    without, with_it = (np.percentile(times[:, column], [25, 50, 75]) * 1e3 for column in (0, 1))
    ratio = np.percentile(times[:, 1] / times[:, 0], [25, 50, 75])
    cells = [f"{low:.2f} / {middle:.2f} / {high:.2f}" for low, middle, high in (without, with_it, ratio)]
    return f"| {name} | {len(times)} | {cells[0]} | {cells[1]} | {cells[2]} |"


def main(pairs: int = 200, builds: int = 30) -> None:
    """Print the table: quartiles in milliseconds, and of the ratio within each pair."""
    with tempfile.TemporaryDirectory() as folder:
        pythons = [environment(Path(folder) / name, name == "with") for name in ("without", "with")]
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        starts = [
            lambda python=python: subprocess.run([python, "-c", "pass"], env=clean, check=True) for python in pythons
        ]
        start_up = interleaved(starts, pairs)
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

    models = [yaml_model_load(name) for name in ("yolov5x.yaml", "yolov5x-ema.yaml")]
    building = interleaved([lambda model=model: DetectionModel(model, verbose=False) for model in models], builds)
    print("| | pairs | without, ms | with, ms | ratio |\n|---|---|---|---|---|")
    print(row("interpreter start-up", start_up))
    print(row("building yolov5x, no row / one EMA row", building))
    print(f"\nQuartiles. {processor()}, {os.cpu_count()} cores, torch {torch.__version__}, commit {commit()}.")


if __name__ == "__main__":
    typer.run(main)
