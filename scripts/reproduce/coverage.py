"""How often the 95 % intervals of `yolo-attn bench` hold the true difference, by simulation.

python -m scripts.reproduce.coverage [--experiments N]
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

PICTURES, BOXES, FALSE_POSITIVES = 60, 8, 8  # boxes and false positives are means per picture
LIMITS = np.array([0.0, 0.8, 1.6, 2.4])  # of quality: a box whose detection is better is hit at that IoU threshold
SEED_COUNTS = (2, 3, 5, 10)
RESAMPLES = 300
SETS, FRESH_SEEDS = 8, 2000  # of pictures, and trainings by which the difference on each of them is known


ORDER = (SEEDS, HIERARCHICAL, BOTH)

Held = dict[tuple[str, int], list[tuple[bool, float]]]  # of a method and a number of seeds: held or not, and the width


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


def on_these_pictures(world: World, experiments: int, rng: np.random.Generator) -> Held:
    """Student's t over seeds, and the mean difference over all seeds on the same pictures."""
    one = np.ones((1, PICTURES), np.int32)
    groups: dict[int, list] = {seeds: [] for seeds in SEED_COUNTS}
    for _ in range(SETS):
        pictures = draw_pictures(world, rng)
        pool = np.array([difference(pictures, world, one, rng)[0] for _ in range(FRESH_SEEDS)])
        for seeds in SEED_COUNTS:
            parts = pool[: FRESH_SEEDS // seeds * seeds].reshape(-1, seeds)
            groups[seeds] += [(pool.mean(), part) for part in parts[: experiments // SETS]]
    return {
        (SEEDS, seeds): [held(over_seeds(part), truth) for truth, part in of_size] for seeds, of_size in groups.items()
    }


def on_other_pictures(world: World, experiments: int, rng: np.random.Generator) -> Held:
    """Each method, and the mean difference over all seeds and all pictures of the kind."""
    intervals: dict[tuple[str, int], list[Interval]] = {}
    means = []
    for number in range(experiments):
        pictures = draw_pictures(world, rng)
        weights = np.concatenate([np.ones((1, PICTURES), int), picture_weights(PICTURES, RESAMPLES, number)])
        table = np.stack([difference(pictures, world, weights, rng) for _ in range(max(SEED_COUNTS))], 1)
        means.append(table[0].mean())
        for seeds in SEED_COUNTS:
            whole, resampled = table[0, :seeds], table[1:, :seeds]
            made = (
                over_seeds(whole),
                hierarchical_bootstrap(resampled, number),
                over_seeds_and_pictures(whole, resampled, PICTURES),
            )
            for interval in made:
                intervals.setdefault((interval.method, seeds), []).append(interval)
    truth = float(np.mean(means))  # its error is far below the width of an interval
    return {key: [held(interval, truth) for interval in made] for key, made in intervals.items()}


def held(interval: Interval, truth: float) -> tuple[bool, float]:
    """Return whether an interval holds the truth, and its width."""
    return interval.low <= truth <= interval.high, interval.high - interval.low


def rows_of(world: World, experiments: int) -> list[tuple]:
    """The rows of the table for one world."""
    rng = np.random.default_rng(WORLDS.index(world))
    rows = []
    for about, found in (
        ("these pictures", on_these_pictures(world, experiments, rng)),
        ("other pictures", on_other_pictures(world, experiments, rng)),
    ):
        for method in dict.fromkeys(method for method, _ in found):
            cells = []
            for seeds in SEED_COUNTS:
                hits, widths = np.array(found[method, seeds]).T
                cells.append(f"{100 * hits.mean():.1f} ({np.median(widths):.1f})")
            rows.append((about, method, world.name, *cells))
    return rows


def main(experiments: int = 1600) -> None:
    """Simulate every world in a process of its own, and save the table."""
    with ProcessPoolExecutor(len(WORLDS)) as pool:
        by_world = list(pool.map(rows_of, WORLDS, [experiments] * len(WORLDS)))
    rows = sorted(
        (row for rows in by_world for row in rows), key=lambda row: (row[0] != "these pictures", ORDER.index(row[1]))
    )
    columns = ("about", "interval", "of the difference", *(f"{seeds} seeds" for seeds in SEED_COUNTS))
    note = (
        f"Cells: how many of {experiments:,} intervals held the true difference, in percent, and their median width in points of AP."
        f" {PICTURES} pictures with {BOXES} boxes each on average, {len(LIMITS)} IoU thresholds, {RESAMPLES} resamples."
    )
    results.save("coverage", columns, rows, results.made("numpy", "scipy"), note)


if __name__ == "__main__":
    typer.run(main)
