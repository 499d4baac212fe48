"""Print docs/papers.md: python -m scripts.reproduce.papers_page > docs/papers.md

papers_page.md is its prose; the tables come from papers.py.
"""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from scripts.reproduce import papers
from scripts.reproduce.papers_counts import RULES
from scripts.reproduce.papers_numbers import numbers

VERDICTS = (papers.EXACT, papers.CLOSE, papers.OFF, papers.MISSING, papers.UNPRINTED)
FLOPS_VERDICTS = (papers.EXACT, papers.FLOPS_CLOSE, papers.OFF)
SOURCES = {"paper": "paper", "README": "authors' README"}
COLUMNS = {  # heading: alignment
    "row": "---",
    "base": "---",
    "network": "---",
    "printed M": "---:",
    "counted": "---:",
    "rule": "---",
    "parameters": "---",
    "fitted": "---",
    "shipped, all parameters": "---:",
    "printed FLOPs": "---:",
    "counted G": "---:",
    "FLOPs": "---",
    "printed accuracy": "---",
    "source": "---",
}
TEXT = Path(__file__).with_suffix(".md")


def page() -> str:
    """The page. It depends on the code alone, so a test can compare it."""
    recounts = list(papers.recount())
    verdicts = Counter(entry.verdict.partition(",")[0] for entry in recounts)
    values = numbers() | {
        "printed": len(recounts) - verdicts[papers.UNPRINTED],
        "exact": verdicts[papers.EXACT],
        "close": verdicts[papers.CLOSE],
        "off": verdicts[papers.OFF],
        "rules": "\n".join(f"| {rule} | {what} |" for rule, what in RULES.items()),
        "summary": summary(recounts),
    }
    return TEXT.read_text(encoding="utf-8").format_map(values) + "\n" + tables(recounts)


def tables_of(recounts: list[papers.Recount]) -> dict[tuple[str, str], list[papers.Recount]]:
    """{(paper, table): its rows}."""
    found: dict[tuple[str, str], list[papers.Recount]] = {}
    for entry in recounts:
        found.setdefault((entry.paper, entry.table), []).append(entry)
    return found


def summary(recounts: list[papers.Recount]) -> str:
    """How many rows of each table got which verdict."""
    heading = ["table", "rows", *VERDICTS, *(f"FLOPs {kind}" for kind in FLOPS_VERDICTS)]
    lines = ["## How many rows agree\n", f"| {' | '.join(heading)} |", "|---|" + "---:|" * (len(heading) - 1)]
    for (paper, table), entries in tables_of(recounts).items():
        found = Counter(entry.verdict.partition(",")[0] for entry in entries)
        flops = Counter(entry.flops_verdict.partition(",")[0] for entry in entries)
        cells = [len(entries), *(found[kind] for kind in VERDICTS), *(flops[kind] for kind in FLOPS_VERDICTS)]
        lines.append(f"| [{paper} {table}](#{paper.lower()}-table-{table}) | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def tables(recounts: list[papers.Recount]) -> str:
    """Every table under a heading, the notes of its rows behind it."""
    return "\n".join(_table(*key, entries) for key, entries in tables_of(recounts).items())


def _table(paper: str, table: str, entries: list[papers.Recount]) -> str:
    notes = list(dict.fromkeys(entry.note for entry in entries if entry.note))
    datasets = ", ".join(dict.fromkeys(entry.dataset for entry in entries))
    lines = [f"## {paper}, Table {table}", "", f"{datasets}.", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", f"|{'|'.join(COLUMNS.values())}|"]
    for entry in entries:
        mark = f" [{notes.index(entry.note) + 1}]" if entry.note else ""
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in _cells(entry, mark))} |")
    numbered = [f"{number}. {note[0].upper()}{note[1:]}." for number, note in enumerate(notes, start=1)]
    return "\n".join([*lines, "", *(["Notes:", "", *numbered, ""] if notes else [])])


def _cells(entry: papers.Recount, mark: str) -> tuple[str, ...]:
    other = "" if entry.shipped == entry.network else f" (`{entry.shipped}`)"
    return (
        entry.row,
        entry.base,
        f"`{entry.network}`" if entry.network else "",
        "" if entry.published is None else f"{entry.published:.{entry.decimals}f}",
        _number(entry.ours),
        entry.rule if entry.network else "",
        entry.verdict + mark,
        entry.fitted,
        _number(entry.shipped_parameters) + other,
        entry.published_flops or "",
        "" if entry.gflops is None else f"{entry.gflops:.3f}",
        entry.flops_verdict,
        ", ".join(f"{name} {value}" for name, value in entry.published_accuracy.items()),
        SOURCES[entry.source],
    )


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write one object per row to this file.")
    ] = None,
) -> None:
    """Print docs/papers.md."""
    if json_file:
        rows = [asdict(entry) for entry in papers.recount()]
        json_file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(page(), end="")


if __name__ == "__main__":
    typer.run(main)
