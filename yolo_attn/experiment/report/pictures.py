"""The pictures of the page: those with the most errors, and those on which a model differs most from the baseline.

A picture's errors are its misses and false alarms, averaged over the seeds that a model has in common with the baseline. The
boxes that are drawn are those of the first such seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from markupsafe import Markup

from yolo_attn.experiment.report.detections import Details, Stored
from yolo_attn.experiment.report.drawing import Photo, boxes, photo
from yolo_attn.experiment.report.folders import Run
from yolo_attn.visdrone.evaluation.errors import Picture

WORST, CHANGED, MOST = 6, 4, 24  # pictures: the worst, the changed ones of each model, and all of a page
BYTES = 2_500_000  # that the pictures of a page may take


@dataclass(frozen=True)
class Side:
    """The boxes of one model on a picture."""

    run: Run
    picture: Picture
    mean_errors: float
    boxes: Markup


@dataclass(frozen=True)
class Comparison:
    """A picture with the boxes of the baseline and of another model, or of the baseline alone."""

    name: str
    photo: Photo
    sides: tuple[Side, ...]

    @property
    def runs(self) -> list[Run]:
        return [side.run for side in self.sides]

    @property
    def change(self) -> float:
        """Errors of the model less those of the baseline."""
        return self.sides[-1].mean_errors - self.sides[0].mean_errors


@dataclass(frozen=True)
class Gallery:
    """Comparisons of the page, and sentences about pictures that are not there."""

    worst: tuple[Comparison, ...]
    changed: tuple[Comparison, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Errors:
    """Mean errors by picture of the baseline and of a model, or of the baseline alone, over the seeds of both."""

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    of: Mapping[str, tuple[float, ...]]

    def worst(self) -> list[str]:
        return sorted((name for name, errors in self.of.items() if sum(errors)), key=lambda name: -sum(self.of[name]))

    def changed(self) -> list[str]:
        change = {name: abs(errors[-1] - errors[0]) for name, errors in self.of.items()}
        return sorted((name for name in change if change[name]), key=lambda name: -change[name])


def gallery(models: Sequence[str], stored: Stored) -> Gallery:
    """Choose and draw pictures; the first model is the baseline. The worst are those of the baseline and the next model together."""
    baseline, *others = models
    pairs = [pair for model in others if (pair := _errors((baseline, model), stored.runs))]
    alone = _errors((baseline,), stored.runs)
    first = pairs[0] if pairs else alone
    missing: dict[str, None] = {}  # each sentence once
    if first is None:
        return Gallery((), (), ())
    each = min(CHANGED, (MOST - WORST) // max(1, len(pairs))) or 1
    worst = tuple(islice(_drawn(first, first.worst(), stored, missing), WORST))
    changed = [
        comparison for pair in pairs for comparison in islice(_drawn(pair, pair.changed(), stored, missing), each)
    ]
    return Gallery(worst, tuple(changed[: MOST - WORST]), tuple(missing))


def _errors(models: tuple[str, ...], runs: Mapping[Run, Details]) -> _Errors | None:
    seeds = set.intersection(*({seed for name, seed in runs if name == model} for model in models))
    if not seeds:
        return None
    names = sorted(runs[models[0], min(seeds)].pictures)
    mean = {
        name: tuple(sum(runs[model, seed].pictures[name].errors for seed in seeds) / len(seeds) for model in models)
        for name in names
    }
    return _Errors(models, tuple(sorted(seeds)), mean)


def _drawn(errors: _Errors, names: Iterable[str], stored: Stored, missing: dict[str, None]) -> Iterable[Comparison]:
    """Draw pictures one by one; one that cannot be read is named in `missing`, and the next takes its place."""
    for name in names:
        try:
            read = photo(stored.images[name], BYTES // MOST)
        except (KeyError, OSError, ValueError):
            missing[f"{name}: the picture cannot be read, so another is shown instead."] = None
            continue
        sides = []
        for model, mean in zip(errors.models, errors.of[name], strict=True):
            run = model, errors.seeds[0]
            picture = stored.runs[run].pictures[name]
            sides.append(Side(run, picture, mean, boxes(picture)))
        yield Comparison(name, read, tuple(sides))
