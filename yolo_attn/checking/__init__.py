"""What is wrong in a model YAML, found without weights, without memory for them, and without running code of the file.

check.py      check(text) -> findings; sources, rows without effect, comments
permitted.py  which modules and which activation a file may name
build.py      a build at every scale, and a forward pass over shapes alone
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or doubtful in a model YAML."""

    level: str  # "error": does not build, does not run, or part of it is without effect; "warning": doubtful
    row: int | None  # None where it concerns the whole file
    message: str  # one sentence
    scales: tuple[str, ...] = ()  # at which it is so; empty if at all

    def __str__(self) -> str:
        place = "" if self.row is None else f"row {self.row}: "
        return f"{self.level}: {place}{self.message}" + (f" (scale {', '.join(self.scales)})" if self.scales else "")
