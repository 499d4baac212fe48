"""The plan of an experiment as text, written before training, and the note of it in the experiment's folder."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from yolo_attn.experiment import settings
from yolo_attn.experiment.estimate import Duration, durations, total
from yolo_attn.experiment.places import Place
from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.experiment.power import detectable_difference, paired_deviation
from yolo_attn.experiment.preparation import prepared
from yolo_attn.experiment.records import Record
from yolo_attn.experiment.results import Results
from yolo_attn.storage import atomic_write, digest

NOTES = "plans.jsonl"
SEEDS = (3, 5, 10, 20)  # shown beside the number that is asked for


@dataclass(frozen=True)
class WrittenPlan(Record):
    """A note of a plan that was written to a file."""

    file: str
    sha256: str
    time: str  # UTC, ISO 8601
    finished_runs: int  # of the folder when the plan was written


def read(out: Path) -> list[WrittenPlan]:
    """Read the notes of an experiment's folder, the oldest first; ValueError for a damaged one."""
    file = out / NOTES
    if not file.is_file():
        return []
    try:
        return [WrittenPlan.from_json(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"{file}: is damaged: {error}") from error


def plan_experiment(
    experiment: Experiment,
    file: Path | None = None,
    spread: float | None = None,
    log: Callable[[str], None] = print,
    place: AbstractContextManager[Place] | None = None,
) -> str:
    """Train each model for one epoch, and say how long the experiment takes and what differences it can detect.

    Args:
        experiment: What to compare; its folder may hold finished runs.
        file: Where to write the text; the folder of the experiment then gets a note of it.
        spread: Standard deviation of the differences between two models of one seed, in percentage points; that of the
            finished runs if not given.
        log: Called with each line of progress.
        place: Where the runs will be done; one after another on this machine if not given.

    Raises what `prepared` raises, ValueError if a model cannot be trained, and FileExistsError if `file` is there.
    """
    if file and file.exists():
        raise FileExistsError(f"{file}: is there already, and a plan is written once; name another file")
    with prepared(experiment, place) as (plan, opened):
        results = Results(experiment, plan, log)
        by_model = durations(experiment, plan, opened, log)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        text = "\n".join(
            [
                f"# Plan of {now}, {len(results.finished)} runs finished\n\n`{experiment.command}`\n",
                *_decided(experiment, plan),
                *_time(results, by_model, opened.at_once),
                "",
                *_power(experiment, plan, _spreads(plan, results, spread)),
                "",
            ]
        )
        if file:
            atomic_write(file, text, durable=True)
            note = WrittenPlan(str(file.resolve()), digest(file), now, len(results.finished))
            notes = [*read(experiment.out), note]
            atomic_write(experiment.out / NOTES, "".join(f"{line.to_json()}\n" for line in notes), durable=True)
    return text


def _decided(experiment: Experiment, plan: Plan) -> list[str]:
    chosen = json.loads((experiment.out / settings.NAME).read_text(encoding="utf-8"))
    baseline, *others = plan.texts
    seeds = ", ".join(map(str, experiment.seeds))
    digests = ", ".join(f"{name} {chosen['models'][name]}" for name in plan.texts)
    return [
        f"- Baseline {baseline}; compared with it, paired by seed: {', '.join(others) or 'no model'}.",
        f"- Seeds: {seeds}.",
        f"- Settings: {', '.join(f'{key} {value}' for key, value in chosen['settings'].items())}.",
        f"- First digits of the SHA-256 of each model: {digests}.",
    ]


def _time(results: Results, by_model: Mapping[str, Duration], at_once: int) -> list[str]:
    missing = [name for name, seed in results.planned if (name, seed) not in results.finished]
    measured = ", ".join(f"{name} {_clock(time.epoch)} and {_clock(time.run)}" for name, time in by_model.items())
    wait = _clock(total(missing, by_model, at_once))
    return [
        f"- Runs: {len(results.planned)}, of which {len(missing)} are missing; {at_once} at once take about {wait}.",
        f"- Time of an epoch, measured once, and of a run: {measured}.",
    ]


def _clock(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _spreads(plan: Plan, results: Results, given: float | None) -> dict[str, float]:
    """{what is compared: standard deviation of paired differences}; 1 standard deviation where nothing is known."""
    if given is not None:
        return {f"points, at a given spread of {given:g}": given}
    runs, baseline = results.outcome.runs, next(iter(plan.texts))
    seen = {}
    for key in dict.fromkeys(key for run in runs for key in run.scores):
        scores: dict[str, dict[int, float]] = {name: {} for name in plan.texts}
        for run in runs:
            if (score := run.scores.get(key)) is not None:
                scores[run.model][run.seed] = score
        deviation = paired_deviation([scores[name] for name in plan.texts if name != baseline], scores[baseline])
        if deviation:
            seen[f"{key}, at the spread {deviation:.2f} seen so far"] = deviation
    return seen or {"standard deviations of the paired differences (give --spread for points)": 1.0}


def _power(experiment: Experiment, plan: Plan, spreads: Mapping[str, float]) -> list[str]:
    models = len(plan.texts) - 1
    if not models:
        return ["One model alone is compared with nothing."]
    counts = sorted({len(experiment.seeds), *SEEDS})
    lines = [
        "The smallest true difference that is found with probability 0.8 by a paired t-test (two-sided, 5 %),"
        + (
            f" and in brackets if it must pass at 5 %/{models}, Holm's first step over {models} models:" * (models > 1)
            or ":"
        ),
        "",
        f"| seeds | {' | '.join(spreads)} |",
        "| ---: |" + " ---: |" * len(spreads),
    ]
    for count in counts:
        cells = [_difference(count, spread, models) for spread in spreads.values()]
        here = " (this plan)" if count == len(experiment.seeds) else ""
        lines.append(f"| {count}{here} | {' | '.join(cells)} |")
    return lines


def _difference(seeds: int, spread: float, models: int) -> str:
    found = [detectable_difference(seeds, spread, alpha=0.05 / count) for count in sorted({1, models})]
    first, *corrected = ["none" if value is None else f"{value:.2f}" for value in found]
    return first + "".join(f" [{value}]" for value in corrected)
