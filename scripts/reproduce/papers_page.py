"""Count the parameters and FLOPs of the papers' tables again: python -m scripts.reproduce.papers_page [--json FILE]

Prints docs/papers.md.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from scripts import results
from scripts.reproduce import papers

VERDICTS = (papers.EXACT, papers.CLOSE, papers.OFF, papers.MISSING)


def markdown(recounts: Iterable[papers.Recount]) -> str:
    """The tables, each under a heading, and how many rows got which verdict."""
    tables: dict[tuple[str, str], list[papers.Recount]] = {}
    for entry in recounts:
        tables.setdefault((entry.paper, entry.table), []).append(entry)
    summary = [f"| {' | '.join(('table', *VERDICTS))} |", "|---|---|---|---|---|"]
    parts = []
    for (paper, table), entries in tables.items():
        verdicts = [entry.verdict for entry in entries]
        summary.append(f"| {paper} {table} | {' | '.join(str(verdicts.count(kind)) for kind in VERDICTS)} |")
        parts += [f"## {paper}, Table {table}", "", *_table(entries), ""]
    return "\n".join([*summary, "", *parts])


def _table(entries: list[papers.Recount]) -> list[str]:
    lines = [
        "| row | base | published M | ours | verdict | published FLOPs | ours G | published accuracy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        ours = "" if entry.ours is None else f"{entry.ours:,}"
        said = entry.verdict + (f": {entry.why}" if entry.why else "")
        accuracy = ", ".join(f"{name} {value}" for name, value in entry.published_accuracy.items())
        gflops = "" if entry.gflops is None else f"{entry.gflops:.3f}"
        cells = (entry.row, entry.base, entry.published, ours, said, entry.published_flops or "", gflops, accuracy)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    units = sorted({f"M is {entry.unit}, counted: {entry.counted}" for entry in entries})
    rules = sorted({entry.flops_rule for entry in entries if entry.published_flops})
    return [*lines, "", f"Parameters: {'; or '.join(units)}. FLOPs: {' | '.join(rules) or 'none printed'}."]


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write one object per row to this file.")
    ] = None,
) -> None:
    start = time.perf_counter()
    recounts = list(papers.recount())
    seconds = time.perf_counter() - start
    if json_file:
        json_file.write_text(json.dumps([asdict(entry) for entry in recounts], indent=1) + "\n", encoding="utf-8")
    print(f"""# The papers' tables, counted again

{results.made("torch")} {seconds:.0f} s on the meta device.

Parameters are those of the networks that this package builds. Accuracies are the papers' own, printed beside them to tell
which row is meant; none was measured here.
""")
    print(markdown(recounts))


if __name__ == "__main__":
    typer.run(main)
