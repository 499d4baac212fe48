"""The comparison as a LaTeX table with booktabs' rules."""

from collections.abc import Sequence

from yolo_attn.experiment.effects import leading_score
from yolo_attn.experiment.records import FinishedRun
from yolo_attn.experiment.summary import SCORES, Difference, Mean, Summary, summarise

# What LaTeX reads as a command.
ESCAPED = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def table(models: Sequence[str], runs: Sequence[FinishedRun]) -> str:
    """Models and runs -> a row for each model: its size, scores, latency, and the leading difference to the first model."""
    summaries = summarise(models, runs)
    keys = list(summaries[0].scores)
    lead = leading_score(runs) if len(models) > 1 else None
    heading = ["model", "parameters (M)", "GFLOPs", *(escape(SCORES[key]) for key in keys)]
    if lead:
        heading.append(rf"$\Delta$ {escape(SCORES[lead])} [95\,\%]")
    heading += ["latency (ms)", "$n$"]
    rows = [_row(summary, keys, lead) for summary in summaries]
    lines = [
        "% \\usepackage{booktabs}",
        "% Scores in percent: mean and standard deviation over n seeds; differences to the first model, paired by seed.",
        rf"\begin{{tabular}}{{l{'r' * (len(heading) - 1)}}}",
        r"\toprule",
        _line(heading),
        r"\midrule",
        *map(_line, rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text -> LaTeX that prints it."""
    return "".join(ESCAPED.get(character, character) for character in text)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _row(summary: Summary, keys: Sequence[str], lead: str | None) -> list[str]:
    size = ["--", "--"]
    if summary.parameters is not None and summary.gflops is not None:
        size = [f"{summary.parameters / 1e6:.2f}", f"{summary.gflops:.2f}"]
    cells = [escape(summary.model), *size]
    cells += [_mean(summary.scores[key], 2) for key in keys]
    if lead:
        cells.append(_difference(summary.differences.get(lead)))
    return [*cells, _mean(summary.latency, 1), str(len(summary.seeds))]


def _mean(value: Mean | None, digits: int) -> str:
    if value is None:
        return "--"
    deviation = "" if value.deviation is None else rf" \pm {value.deviation:.{digits}f}"
    return f"${value.value:.{digits}f}{deviation}$"


def _difference(value: Difference | None) -> str:
    if value is None:
        return "--"
    interval = "" if value.low is None else f"\\ [{value.low:+.2f}, {value.high:+.2f}]"
    return f"${value.value:+.2f}{interval}$"
