"""The tables of an experiment: table.md for reading, table.csv for computing."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from yolo_attn.experiment.records import FinishedRun, Outcome
from yolo_attn.experiment.summary import SCORES, Difference, Mean, Summary, summarise
from yolo_attn.storage import atomic_write

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


def write(out: Path, command: str, outcome: Outcome) -> str:
    """Write table.md, with the command line of the experiment, and table.csv into `out`; return the text of table.md."""
    summaries = summarise(outcome.models, outcome.runs)
    text = markdown(command, outcome, summaries)
    atomic_write(out / "table.csv", comma_separated(summaries))
    atomic_write(out / "table.md", text)
    return text


def markdown(command: str, outcome: Outcome, summaries: Sequence[Summary]) -> str:
    """The tables for reading: means, paired differences, and the conditions under which they hold."""
    headings = [SCORES[key] for key in summaries[0].scores]
    lines = [f"`{command}`", ""]
    lines += _table(["model", "parameters", "GFLOPs", *headings, "latency, ms", "n"], map(_row, summaries))
    lines += [""]
    if len(summaries) > 1 and headings:
        lines += [f"Difference to {summaries[0].model}, paired by seed: mean [95 % interval], pairs", ""]
        rows = [[summary.model, *map(_difference, summary.differences.values())] for summary in summaries[1:]]
        lines += _table(["model", *headings], rows)
        lines += [""]
    return "\n".join([*lines, *_notes(outcome, "AP" in summaries[0].scores), ""])


def comma_separated(summaries: Sequence[Summary]) -> str:
    """The same numbers in full, one line per model; empty where there is none."""
    keys = list(summaries[0].scores)
    heading = ["model", "seeds", "parameters", "gflops", "latency_ms_mean", "latency_ms_std"]
    kinds = ("mean", "std", "n", "difference", "low", "high", "pairs")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*heading, *(f"{key}_{kind}" for key in keys for kind in kinds)])
    for summary in summaries:
        cells = [summary.model, " ".join(map(str, summary.seeds)), summary.parameters, summary.gflops]
        cells += _fields(summary.latency, 3)[:2]
        for key in keys:
            cells += [*_fields(summary.scores[key], 3), *_fields(summary.differences.get(key), 4)]
        writer.writerow(cells)
    return out.getvalue()


def _fields(value: Mean | Difference | None, width: int) -> list[Any]:
    return [None] * width if value is None else list(vars(value).values())


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heading, ["---"] + ["---:"] * (len(heading) - 1), *rows)]


def _row(summary: Summary) -> list[str]:
    size = ["-", "-"] if summary.parameters is None else [f"{summary.parameters:,}", f"{summary.gflops:.2f}"]
    scores = [mean_text(score, 2) for score in summary.scores.values()]
    return [summary.model, *size, *scores, mean_text(summary.latency, 1), str(len(summary.seeds))]


def mean_text(value: Mean | None, digits: int) -> str:
    """Write a mean with its standard deviation; - where there is none."""
    if value is None:
        return "-"
    return f"{value.value:.{digits}f}" + ("" if value.deviation is None else f" ± {value.deviation:.{digits}f}")


def _difference(value: Difference | None) -> str:
    if value is None:
        return "-"
    interval = "" if value.low is None else f" [{value.low:+.2f}, {value.high:+.2f}]"
    return f"{value.value:+.2f}{interval}, {value.n}"


def _notes(outcome: Outcome, official: bool) -> Iterator[str]:
    if outcome.runs:
        yield "- Scores are in percent: mean ± standard deviation (n - 1) over n seeds."
        yield OFFICIAL if official else ULTRALYTICS
        yield COST
        yield f"- Conditions: {', '.join(_conditions(outcome.runs))}."
        yield from _carried(outcome)
    else:
        yield "- No run is finished."
    for run in outcome.runs:
        if run.resumed_after:
            epochs = ", ".join(map(str, run.resumed_after))
            cut = f"- {run.model}, seed {run.seed}, was cut and resumed after epoch {epochs}"
            yield f"{cut}: from there on it drew other random numbers than an undisturbed run."
    for failure in outcome.failed:
        yield f"- FAILED: {failure.model}, seed {failure.seed}: {failure.error}"


def _carried(outcome: Outcome) -> Iterator[str]:
    """The share of each model's parameters that came from the checkpoint of `pretrained=`."""
    by_model = {run.model: run.carried for run in outcome.runs if run.carried}
    if by_model:
        checkpoints = " and ".join(sorted({carried.checkpoint for carried in by_model.values()}))
        models = [(name, by_model[name]) for name in outcome.models if name in by_model]
        shares = [f"{name} {carried.carried_parameters / carried.parameters:.1%}" for name, carried in models]
        yield f"- Parameters that started from {checkpoints}: {', '.join(shares)}."


def _conditions(runs: Sequence[FinishedRun]) -> Iterator[str]:
    conditions = [{**vars(run.environment), "imgsz": run.imgsz, "batch": run.batch} for run in runs]
    for key in ("device", "threads", "torch", "ultralytics", "python", "yolo_attn", "commit", "imgsz", "batch"):
        if values := {str(condition[key]) for condition in conditions} - {""}:
            yield f"{key} {' and '.join(sorted(values))}"
