"""A measured table: saved as JSON with the command, machine and commit that made it, and rendered into the pages of docs/.

A page names the table between two marks, and what stands between them is never edited by hand:

    <!-- table: ema-forms -->
    ...
    <!-- end -->

`python -m scripts.maintain.pages` renders every page anew; a test compares.
"""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from yolo_attn.experiment.environment import commit, processor

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "results" / "data"
MARKED = re.compile(r"(<!-- table: ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Cell = str | int | float | None | dict[str, float]  # a dict holds the median, low and high quartile of a time


@dataclass(frozen=True)
class Made:
    """The command, checkout and machine that made a table."""

    command: str  # the command line, as it was at that commit
    commit: str  # the checkout that was measured
    machine: str  # CPU or GPU with driver, number of cores
    versions: dict[str, str] = field(default_factory=dict)  # of the packages that the numbers depend on
    load: float | None = None  # programs running at the start, on average over a minute

    def __str__(self) -> str:
        packages = [f"{name} {number}" for name, number in self.versions.items()]
        load = [] if self.load is None else [f"load at the start {self.load:.1f}"]
        commit = f"commit {self.commit}" if self.commit else "commit not recorded"
        return f"`{self.command}`: " + ", ".join([commit, *packages, self.machine, *load]) + "."


@dataclass(frozen=True)
class Table:
    """One measured table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    made: Made
    note: str = ""

    def to_json(self) -> str:
        """A row a line, so that differences are readable."""
        rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in self.rows)
        rest = {key: value for key, value in asdict(self).items() if key != "rows"}
        return json.dumps(rest, indent=1, ensure_ascii=False)[:-2] + f',\n "rows": [\n{rows}\n ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> "Table":
        """The inverse of `to_json`."""
        read = json.loads(text)
        return cls(tuple(read["columns"]), tuple(map(tuple, read["rows"])), Made(**read["made"]), read["note"])

    def markdown(self) -> str:
        """The table under the line that says how it was made."""
        note = f"\n{self.note}\n" if self.note else ""
        head = f"| {' | '.join(self.columns)} |\n{'|---' * len(self.columns)}|\n"
        rows = "".join(f"| {' | '.join(map(shown, row))} |\n" for row in self.rows)
        return f"\n{self.made}\n{note}\n{head}{rows}\n"


def shown(cell: Cell) -> str:
    """A cell as text: floats and times with three digits."""
    if isinstance(cell, dict):
        low, median, high = (three_digits(cell[key]) for key in ("low", "median", "high"))
        ratio = f", {cell['ratio']:g}" if "ratio" in cell else ""
        return f"{median} ({low} to {high}){ratio}"
    if isinstance(cell, float):
        return three_digits(cell)
    if isinstance(cell, str):
        return cell.replace("|", "\\|")
    return "" if cell is None else f"{cell:,}"


def three_digits(value: float) -> str:
    """0.12, 1.23, 12.3, 123, 1,234: at most three digits and two decimals."""
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{decimals}f}"


def made(*packages: str) -> Made:
    """Describe how the running script makes its table."""
    module = sys.modules["__main__"].__spec__
    script = f"-m {module.name}" if module else Path(sys.argv[0]).name
    return Made(
        command=" ".join(["python", script, *map(_without_folder, sys.argv[1:])]),
        commit=commit(),
        machine=machine(),
        versions={package: version(package) for package in packages},
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    )


def machine() -> str:
    """The GPU with its driver where torch sees one, otherwise the CPU."""
    import torch

    if torch.cuda.is_available():
        driver = subprocess.getoutput("nvidia-smi --query-gpu=driver_version --format=csv,noheader").split()[0]
        return f"{torch.cuda.get_device_name()}, driver {driver}"
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def save(name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], made: Made, note: str = "") -> None:
    """Write docs/results/data/NAME.json, print the table, and render it into the pages that name it."""
    table = Table(tuple(columns), tuple(map(tuple, rows)), made, note)
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / f"{name}.json").write_text(table.to_json(), encoding="utf-8")
    print(table.markdown())
    refresh_pages()


def refreshed(page: str) -> str:
    """The text of a page with every table that it names rendered from its JSON file."""

    def rendered(match: re.Match) -> str:
        table = Table.from_json((DATA / f"{match[2]}.json").read_text(encoding="utf-8"))
        return match[1] + table.markdown() + match[3]

    return MARKED.sub(rendered, page)


def refresh_pages() -> None:
    """Render the tables of every page of docs/ anew."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (new := refreshed(text)) != text:
            path.write_text(new, encoding="utf-8")


def _without_folder(argument: str) -> str:
    """An argument as it is; of a file by its whole path the name, as the folders of a machine tell a reader nothing."""
    return Path(argument).name if Path(argument).is_absolute() else argument
