"""The result of an experiment in one sentence."""

from collections.abc import Sequence

from yolo_attn.experiment.effects import Effect
from yolo_attn.experiment.summary import Mean
from yolo_attn.experiment.tables import mean_text

LEVEL = 0.05  # a corrected p value below it is a difference; without one, an interval that leaves out 0 is


def answer(models: Sequence[str], score: str | None, baseline: Mean | None, found: Sequence[Effect]) -> str:
    """Say what the experiment found.

    Args:
        models: The first is the baseline.
        score: Name of the score that the effects are on; None if no run has one.
        baseline: The baseline's score.
        found: The effect of each other model that has one.
    """
    if score is None:
        return "No finished run has a score yet, so there is nothing to compare."
    if len(models) == 1:
        of = "seed" if baseline and baseline.n == 1 else "seeds"
        reached = f"{models[0]} reached {mean_text(baseline, 2)} % {score} over {baseline.n if baseline else 0} {of}"
        return f"One model was run, so there is no comparison: {reached}."
    if not found:
        return f"No other model has a seed in common with {models[0]}, so there is nothing to compare."
    if all(effect.difference.low is None for effect in found):
        seen = "; ".join(f"{effect.model} {effect.difference.value:+.2f}" for effect in found)
        return f"One pair of runs has no interval, so it says nothing about chance; {score} against {models[0]}: {seen} points."
    higher = [effect for effect in found if _differs(effect) and effect.difference.value > 0]
    lower = [effect for effect in found if _differs(effect) and effect.difference.value < 0]
    rest = [effect for effect in found if effect not in higher and effect not in lower]
    parts = [f"higher {score} than {models[0]}: {_listed(higher)}"] if higher else []
    parts += [f"lower {score} than {models[0]}: {_listed(lower)}"] if lower else []
    if rest:
        against = "" if parts else f" in {score} against {models[0]}"
        parts.append(f"no difference{against} that these seeds could detect: {_listed(rest)}")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]} (percentage points, 95 % interval{_correction(found)})."


def _differs(effect: Effect) -> bool:
    low, high = effect.difference.low, effect.difference.high
    if effect.p is not None:
        return effect.p < LEVEL
    return low is not None and high is not None and not low <= 0 <= high


def _listed(found: Sequence[Effect]) -> str:
    return ", ".join(f"{effect.model} {_interval(effect)}" for effect in found)


def _interval(effect: Effect) -> str:
    value = effect.difference
    interval = "without interval" if value.low is None else f"[{value.low:+.2f}, {value.high:+.2f}]"
    return f"{value.value:+.2f} {interval} over {value.n} seed{'s' * (value.n != 1)}"


def _correction(found: Sequence[Effect]) -> str:
    if any(effect.p is not None for effect in found):
        return "; judged by p values corrected for the number of models by Holm's method" if len(found) > 1 else ""
    return f"; not corrected for {len(found)} comparisons" if len(found) > 1 else ""
