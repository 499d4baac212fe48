"""The tables of an experiment, from its records alone."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yolo_attn.experiment import paired
from yolo_attn.experiment.runner import Outcome
from yolo_attn.experiment.settings import Experiment
from yolo_attn.storage import atomic_write

SCORES = {"mAP50": "mAP50", "mAP50-95": "mAP50-95", "AP": "official AP", "AP50": "official AP50"}  # key: heading

OFFICIAL = (
    "- mAP50 and mAP50-95 are computed by Ultralytics' functions, AP and AP50 by VisDrone's official protocol, all from one set of"
    " detection files per run. Numbers of the two protocols are not comparable. `yolo val` gives somewhat lower mAP: it does not clip"
    " boxes to the image, pads images more, and takes 300 boxes of an image where here it is 500."
)
ULTRALYTICS = "- mAP50 and mAP50-95 are of Ultralytics' `val`. The data set has no official VisDrone annotations."
COST = (
    "- GFLOPs: 2 per multiply-add of convolutions and matrix products, one image. Latency: median forward pass of the fused network,"
    " batch 1, without NMS; runs are measured at different times, so close comparisons need interleaved measurements."
)


@dataclass(frozen=True)
class Summary:
    """One model over its seeds.

    Attributes:
        model: Its name.
        parameters, gflops: Its size; None if no run is finished.
        latency: Milliseconds; the spread is over the runs.
        scores: By key of SCORES, what the data set has.
        differences: To the baseline, likewise; empty for the baseline itself.
        seeds: That are finished.
    """

    model: str
    parameters: int | None
    gflops: float | None
    latency: paired.Mean | None
    scores: dict[str, paired.Mean | None]
    differences: dict[str, paired.Difference | None]
    seeds: tuple[int, ...]


def summarise(models: Sequence[str], records: Sequence[dict]) -> list[Summary]:
    """Records of finished runs -> a summary for each model, the first being the baseline."""
    keys = [key for key in SCORES if any(record["scores"].get(key) is not None for record in records)]
    values = {name: {key: _by_seed(records, name, key) for key in keys} for name in models}
    summaries = []
    for name in models:
        runs = [record for record in records if record["model"] == name]
        others = (
            {} if name == models[0] else {k: paired.difference(values[name][k], values[models[0]][k]) for k in keys}
        )
        summaries.append(
            Summary(
                name,
                runs[0]["parameters"] if runs else None,
                runs[0]["gflops"] if runs else None,
                paired.mean([record["latency_ms"] for record in runs]),
                {key: paired.mean([*values[name][key].values()]) for key in keys},
                others,
                tuple(record["seed"] for record in runs),
            )
        )
    return summaries


def write(experiment: Experiment, outcome: Outcome) -> None:
    """Put table.md and table.csv into the folder of the experiment."""
    summaries = summarise(outcome.models, outcome.records)
    atomic_write(experiment.out / "table.csv", comma_separated(summaries).encode())
    atomic_write(experiment.out / "table.md", markdown(experiment, outcome, summaries).encode())


def markdown(experiment: Experiment, outcome: Outcome, summaries: Sequence[Summary]) -> str:
    """The tables for reading: means, paired differences, and under which conditions they hold."""
    keys = list(summaries[0].scores)
    lines = [
        f"`{experiment.command}`",
        "",
        *_table(
            ["model", "parameters", "GFLOPs", *(SCORES[key] for key in keys), "latency, ms", "n"], map(_row, summaries)
        ),
        "",
    ]
    if len(summaries) > 1 and keys:
        lines += [
            f"Difference to {summaries[0].model}, paired by seed: mean [95 % interval], pairs",
            "",
            *_table(["model", *(SCORES[key] for key in keys)], map(_difference_row, summaries[1:])),
            "",
        ]
    return "\n".join([*lines, *_notes(outcome, keys), ""])


def comma_separated(summaries: Sequence[Summary]) -> str:
    """The same numbers in full, one line per model; empty where there is none."""
    keys = list(summaries[0].scores)
    heading = ["model", "seeds", "parameters", "gflops", "latency_ms_mean", "latency_ms_std"]
    kinds = ("mean", "std", "n", "difference", "low", "high", "pairs")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*heading, *(f"{key}_{kind}" for key in keys for kind in kinds)])
    for one in summaries:
        cells = [one.model, " ".join(map(str, one.seeds)), one.parameters, one.gflops, *_parts(one.latency)[:2]]
        for key in keys:
            cells += [*_parts(one.scores[key]), *_parts(one.differences.get(key), 4)]
        writer.writerow(cells)
    return out.getvalue()


def _by_seed(records: Sequence[dict], name: str, key: str) -> dict[int, float]:
    runs = [record for record in records if record["model"] == name]
    return {record["seed"]: record["scores"][key] for record in runs if record["scores"].get(key) is not None}


def _parts(found: paired.Mean | paired.Difference | None, width: int = 3) -> list:
    return [None] * width if found is None else list(vars(found).values())


def _table(heading: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heading, ["---"] + ["---:"] * (len(heading) - 1), *rows)]


def _row(one: Summary) -> list[str]:
    size = ["-", "-"] if one.parameters is None else [f"{one.parameters:,}", f"{one.gflops:.2f}"]
    return [one.model, *size, *map(_mean, one.scores.values()), _mean(one.latency, 1), str(len(one.seeds))]


def _mean(found: paired.Mean | None, digits: int = 2) -> str:
    if found is None:
        return "-"
    return f"{found.value:.{digits}f}" + ("" if found.deviation is None else f" ± {found.deviation:.{digits}f}")


def _difference_row(one: Summary) -> list[str]:
    return [one.model, *map(_difference, one.differences.values())]


def _difference(found: paired.Difference | None) -> str:
    if found is None:
        return "-"
    interval = "" if found.low is None else f" [{found.low:+.2f}, {found.high:+.2f}]"
    return f"{found.value:+.2f}{interval}, {found.n}"


def _notes(outcome: Outcome, keys: Sequence[str]) -> Iterator[str]:
    if outcome.records:
        yield "- Scores are in percent: mean ± standard deviation (n - 1) over n seeds."
        yield OFFICIAL if "AP" in keys else ULTRALYTICS
        yield COST
        yield _conditions(outcome.records)
    else:
        yield "- No run is finished."
    for record in outcome.records:
        if record["resumed_after"]:
            epochs = ", ".join(map(str, record["resumed_after"]))
            yield (
                f"- {record['model']}, seed {record['seed']}, was cut and resumed after epoch {epochs}: from there on it drew other"
                " random numbers than an undisturbed run."
            )
    for run, error in outcome.failed.items():
        yield f"- FAILED: {run}: {error}"


def _conditions(records: Sequence[dict]) -> str:
    parts = []
    for key in ("device", "threads", "torch", "ultralytics", "python", "yolo_attn", "commit"):
        found = sorted({str(record["environment"][key]) for record in records} - {""})
        parts += [f"{key} {' and '.join(found)}"] if found else []
    for key in ("imgsz", "batch"):
        parts.append(f"{key} {' and '.join(sorted({str(record[key]) for record in records}))}")
    return f"- Conditions: {', '.join(parts)}."
