"""`yolo-attn gates` against `val` on the same images: time and memory.

python -m scripts.timing.gates best.pt VisDrone.yaml [--imgsz 640] [--rounds 5]
"""

from pathlib import Path

import psutil
import torch
import typer

from scripts.timing.timer import interleaved
from yolo_attn.analysis.evaluation import evaluation
from yolo_attn.analysis.layer_gates import measure, summary
from yolo_attn.analysis.recording import Recording


def main(model: Path, data: Path, imgsz: int = 640, batch: int = 8, rounds: int = 5, split: str = "val") -> None:
    """Print the ratio of the process times in every round, and the memory of the process after each fifth of the images."""
    torch.set_num_threads(1)
    trained = evaluation(model, data, split, imgsz, batch)
    times = interleaved({"val": lambda: trained.evaluate(), "gates": lambda: measure(trained)}, rounds)
    ratios = sorted(gates / val for gates, val in zip(times["gates"], times["val"], strict=True))
    held: list[float] = []
    with Recording(trained.network) as recording:

        def begin(loaded: dict) -> None:
            held.append(psutil.Process().memory_info().rss / 2**20)
            recording.begin(loaded)

        trained.evaluate(begin)
    images = summary(recording, trained.names).images
    per_image = " and ".join(f"{name} {min(taken) / images:.0f}" for name, taken in times.items())
    fifths = ", ".join(f"{held[len(held) * fifth // 5 - 1]:.0f}" for fifth in range(1, 6))
    typer.echo(f"{images} images of {imgsz} px: gates / val {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    typer.echo(f"least milliseconds an image: {per_image}; MiB after each fifth of the images: {fifths}")


if __name__ == "__main__":
    typer.run(main)
