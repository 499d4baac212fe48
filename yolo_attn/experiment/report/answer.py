"""The result of an experiment in one sentence."""

from collections.abc import Sequence

from yolo_attn.experiment.comparison import Comparison, Statistics
from yolo_attn.experiment.effects import LEADING
from yolo_attn.experiment.summary import SCORES, Summary
from yolo_attn.experiment.tables import mean_text

LEVEL = 0.05  # a p value below it is a difference


def answer(models: Sequence[str], baseline: Summary, statistics: Statistics) -> str:
    """Say what the experiment found by the leading score; `models` has the baseline first."""
    if not any(baseline.scores.values()) and not statistics.comparisons:
        return "No run of the first model is finished with a score, so there is nothing to compare."
    if len(models) == 1:
        return f"One model was run, so there is no comparison: {_reached(baseline)}."
    score = SCORES.get(statistics.metric, statistics.metric)
    led = (statistics.metric, statistics.checkpoint)
    found = [entry for entry in statistics.comparisons if (entry.metric, entry.checkpoint) == led]
    if not found:
        return f"No other model has a score and a seed in common with {models[0]}, so there is nothing to compare."
    told = [entry for entry in found if entry.p_holm is not None and entry.p_holm < LEVEL]
    groups = {
        f"higher {score} than {models[0]}": [entry for entry in told if entry.difference > 0],
        f"lower {score} than {models[0]}": [entry for entry in told if entry.difference < 0],
        f"no difference in {score} from {models[0]} that these seeds could detect": [
            entry for entry in found if entry not in told and entry.p_holm is not None
        ],
        f"too few runs to tell chance from a difference in {score}": [entry for entry in found if entry.p_holm is None],
    }
    parts = [f"{words}: {', '.join(map(_interval, entries))}" for words, entries in groups.items() if entries]
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]} ({_how(found, statistics)})."


def _reached(baseline: Summary) -> str:
    key = next(key for key in LEADING if baseline.scores.get(key))
    mean = baseline.scores[key]
    seeds = mean.n if mean else 0
    return f"{baseline.model} reached {mean_text(mean, 2)} % {SCORES[key]} over {seeds} seed{'s' * (seeds != 1)}"


def _interval(entry: Comparison) -> str:
    seeds = len(entry.seeds)
    interval = "without interval" if entry.low is None else f"[{entry.low:+.2f}, {entry.high:+.2f}]"
    return f"{entry.model} {entry.difference:+.2f} {interval}, {seeds} seed{'s' * (seeds != 1)}"


def _how(found: Sequence[Comparison], statistics: Statistics) -> str:
    how = f"percentage points at the {statistics.checkpoint} epoch"
    if any(entry.low is not None for entry in found):
        how += f", {100 * statistics.level:g} % intervals over {statistics.method}"
    return how + ("; judged by p values that Holm's method adjusts for the number of models" if len(found) > 1 else "")
