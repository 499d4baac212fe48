"""Print docs/papers.md: python -m scripts.reproduce.papers_page > docs/papers.md"""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from scripts.reproduce import papers
from scripts.reproduce.papers_counts import RULES
from scripts.reproduce.papers_findings import findings

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
INTRODUCTION = """# The papers' tables, counted again

Four papers print parameters and FLOPs of networks with attention: [EMA](https://arxiv.org/abs/2305.13563),
[GAM](https://arxiv.org/abs/2112.05561), [DMSANet](https://arxiv.org/abs/2106.08382) and [EMCA](https://github.com/eslambakr/EMCA). Here
each network of their tables is built and counted. The accuracies are the papers' own and tell which row is meant; none was measured here.

Written by `python -m scripts.reproduce.papers_page > docs/papers.md`. Every count follows from the code, and a test compares the page with it.
"""
METHOD = """## How it is counted

**counted** is what is compared with the printed number, by the rule of the row. **shipped, all parameters** is every parameter of what
this package ships for the row: the network itself, or the file named there where the paper's own file is not to be recommended.
**fitted** names what was chosen because the counts then agree; where it is empty the text or the authors' code says so.

| rule | counts |
|---|---|
{rules}

Verdicts on parameters: exact, which is equal after rounding to the printed digits; within 0.5 %; differs, and by how much; not built; none
printed. On FLOPs: exact; within 1 %; differs.

FLOPs are multiply-adds of convolutions and linear layers, and 2 for each value that is normalised; of EMA's convolutions one group; for YOLO
the double, as YOLOv5 prints. They are for one image of 32 x 32 (CIFAR-100), 224 x 224 (ImageNet), 640 x 640 (YOLO) or 800 x 1280 (Faster
R-CNN, Mask R-CNN, RetinaNet), with 1000 regions and 100 masks. M is 10^6 and G 10^9, in Tables 2 to 5 of EMCA 2^20 and 2^30 but for BAM.
A network is written as the [row of a model YAML](guides/networks.md) or as a file; "FasterRCNN over" a row is
[torchvision's detector](guides/networks.md#faster-r-cnn-mask-r-cnn-and-retinanet) with it as backbone.
"""
LEFT_OUT = """## What is left out

- EMCA's columns of frames per second: a count cannot check them.
- EMCA, Table 7 (detection on KITTI): its detectors are trained, not counted.
- EMCA, Table 1, and DMSANet, Table 1: they were not transcribed.
- The authors' README of EMA has two tables of MobileNetV2 on ImageNet (seven rows) that are not in the paper.
"""


def page() -> str:
    """The page. It depends on the code alone, so a test can compare it."""
    recounts = list(papers.recount())
    rules = "\n".join(f"| {rule} | {what} |" for rule, what in RULES.items())
    return "\n".join(
        [INTRODUCTION, findings(), METHOD.format(rules=rules), summary(recounts), LEFT_OUT, tables(recounts)]
    )


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
        numbers = [len(entries), *(found[kind] for kind in VERDICTS), *(flops[kind] for kind in FLOPS_VERDICTS)]
        lines.append(f"| [{paper} {table}](#{paper.lower()}-table-{table}) | {' | '.join(map(str, numbers))} |")
    return "\n".join([*lines, ""])


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
