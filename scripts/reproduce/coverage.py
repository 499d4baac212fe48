"""How often the 95 % intervals of `yolo-attn bench` hold the true difference, by simulation.

python -m scripts.reproduce.coverage [--experiments N] [--workers N]
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import typer

from scripts import results
from yolo_attn.statistics.bootstrap import picture_weights
from yolo_attn.statistics.intervals import (
    BOTH,
    HIERARCHICAL,
    SEEDS,
    Interval,
    hierarchical_bootstrap,
    over_seeds,
    over_seeds_and_pictures,
)
from yolo_attn.statistics.outcomes import Outcomes
from yolo_attn.statistics.weighted_ap import WeightedAP

PICTURES, BOXES, FALSE_POSITIVES = 40, 8, 8  # boxes and false positives are means per picture
LIMITS = np.array([0.0, 0.8])  # of quality: a box whose detection is better is hit at that IoU threshold
SEED_COUNTS = (2, 3, 5, 10)
RESAMPLES = 250
CHUNKS = 4  # of a world, each simulated by itself
SETS, FRESH_SEEDS = 2, 2000  # of pictures, and trainings by which the difference on each of them is known


ORDER = (SEEDS, HIERARCHICAL, BOTH)

Made = list[tuple[int, Interval, float]]  # number of seeds, interval, and the true difference or an estimate of it


@dataclass(frozen=True)
class World:
    """How much of the quality of a detection varies, in standard deviations; detections vary with 1 beside."""

    name: str
    by_seed: float  # a training is better or worse on all pictures
    by_picture: float  # a model suits a picture better than another model does, whatever the seed
    by_both: float  # a training suits a picture


WORLDS = (
    World("mostly by seed", by_seed=0.12, by_picture=0.1, by_both=0.1),
    World("mostly by picture", by_seed=0.02, by_picture=0.5, by_both=0.1),
    World("by both", by_seed=0.07, by_picture=0.3, by_both=0.3),
)


@dataclass(frozen=True, eq=False)
class Pictures:
    """A set of pictures, and how well each of two models suits each of them."""

    boxes: np.ndarray  # (P,)
    difficulty: np.ndarray  # (P,)
    suits: np.ndarray  # (2, P)


def draw_pictures(world: World, rng: np.random.Generator) -> Pictures:
    return Pictures(
        boxes=rng.negative_binomial(2, 2 / (2 + BOXES), PICTURES),
        difficulty=rng.normal(0, 0.7, PICTURES),
        suits=rng.normal(0, world.by_picture, (2, PICTURES)),
    )


def train(pictures: Pictures, model: int, world: World, rng: np.random.Generator) -> WeightedAP:
    """A training of one of two models that differ by 0.1 in quality -> AP of its detections."""
    of_picture = 0.1 * model + pictures.suits[model] - pictures.difficulty + rng.normal(0, world.by_both, PICTURES)
    of_picture += rng.normal(0, world.by_seed)
    places = np.arange(PICTURES)
    of_box = np.repeat(places, pictures.boxes)
    quality = of_picture[of_box] + rng.normal(0, 1, len(of_box))
    wrong = np.repeat(places, rng.poisson(FALSE_POSITIVES, PICTURES))
    picture = np.concatenate([of_box, wrong])
    score = np.concatenate([quality + rng.normal(0, 1, len(of_box)), rng.normal(-0.5, 1, len(wrong))])
    order = np.argsort(-score)
    hit = np.concatenate([quality[:, None] > LIMITS, np.zeros((len(wrong), len(LIMITS)), bool)])[order]
    return WeightedAP(Outcomes(np.zeros(len(order), int), picture[order], hit, ~hit, pictures.boxes[None], True))


def difference(pictures: Pictures, world: World, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights (W, P) -> difference in AP (W,) of two trainings."""
    ap = [train(pictures, model, world, rng)(weights)[:, 0].mean(1) for model in (0, 1)]
    return ap[1] - ap[0]


def on_these_pictures(world: World, experiments: int, rng: np.random.Generator) -> Made:
    """Student's t over seeds, and the mean difference over all seeds on the same pictures."""
    one = np.ones((1, PICTURES), np.int32)
    made: Made = []
    for _ in range(SETS):
        pictures = draw_pictures(world, rng)
        pool = np.array([difference(pictures, world, one, rng)[0] for _ in range(FRESH_SEEDS)])
        for seeds in SEED_COUNTS:
            parts = pool[: FRESH_SEEDS // seeds * seeds].reshape(-1, seeds)[: experiments // SETS]
            made += [(seeds, over_seeds(part), float(pool.mean())) for part in parts]
    return made


def on_other_pictures(world: World, experiments: int, rng: np.random.Generator) -> Made:
    """Each method; the truth is the mean difference over all seeds and all pictures of the kind, known from all experiments."""
    made: Made = []
    for _ in range(experiments):
        pictures = draw_pictures(world, rng)
        drawn = picture_weights(PICTURES, RESAMPLES, int(rng.integers(2**31)))
        weights = np.concatenate([np.ones((1, PICTURES), int), drawn])
        table = np.stack([difference(pictures, world, weights, rng) for _ in range(max(SEED_COUNTS))], 1)
        mean = float(table[0].mean())
        for seeds in SEED_COUNTS:
            whole, resampled = table[0, :seeds], table[1:, :seeds]
            made += [
                (seeds, over_seeds(whole), mean),
                (seeds, hierarchical_bootstrap(resampled, int(rng.integers(2**31))), mean),
                (seeds, over_seeds_and_pictures(whole, resampled, PICTURES), mean),
            ]
    return made


def simulate(world: World, experiments: int, chunk: int) -> tuple[Made, Made]:
    """One chunk of the experiments of a world, with random numbers of its own."""
    rng = np.random.default_rng([WORLDS.index(world), chunk])
    return on_these_pictures(world, experiments, rng), on_other_pictures(world, experiments, rng)


def rows_of(world: World, about: str, made: Made) -> list[tuple]:
    """The rows of the table: a method each, a column for each number of seeds."""
    rows = []
    for method in dict.fromkeys(interval.method for _, interval, _ in made):
        cells = []
        for seeds in SEED_COUNTS:
            found = [
                (interval, truth) for number, interval, truth in made if (number, interval.method) == (seeds, method)
            ]
            hits = [interval.low <= truth <= interval.high for interval, truth in found]
            widths = [interval.high - interval.low for interval, _ in found]
            cells.append(f"{100 * np.mean(hits):.1f} ({np.median(widths):.1f})")
        rows.append((about, method, world.name, *cells))
    return rows


def main(experiments: int = 1000, workers: int = 2) -> None:
    """Simulate every world, and save the table."""
    tasks = [(world, experiments // CHUNKS, chunk) for world in WORLDS for chunk in range(CHUNKS)]
    with ProcessPoolExecutor(workers) as pool:
        chunks = list(pool.map(simulate, *zip(*tasks, strict=True)))
    rows = []
    for index, world in enumerate(WORLDS):
        of_world = chunks[index * CHUNKS : (index + 1) * CHUNKS]
        rows += rows_of(world, "these pictures", [entry for these, _ in of_world for entry in these])
        others = [entry for _, other in of_world for entry in other]
        truth = float(np.mean([mean for _, _, mean in others]))  # its error is far below the width of an interval
        rows += rows_of(world, "other pictures", [(seeds, interval, truth) for seeds, interval, _ in others])
    rows.sort(key=lambda row: (row[0] != "these pictures", ORDER.index(row[1])))
    columns = ("about", "interval", "the difference varies", *(f"{seeds} seeds" for seeds in SEED_COUNTS))
    note = (
        f"Cells: how many of {experiments // CHUNKS * CHUNKS:,} intervals held the true difference, in percent, and their median"
        f" width in points of AP. {PICTURES} pictures with {BOXES} boxes each on average, {RESAMPLES} resamples."
    )
    results.save("coverage", columns, rows, results.made("numpy", "scipy"), note)


if __name__ == "__main__":
    typer.run(main)
