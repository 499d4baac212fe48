"""What a check finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or doubtful in a model YAML.

    Attributes:
        level: "error": the model does not build, does not run, or part of it is without effect; "warning": it is doubtful.
        row: Index of the row, None where it concerns the whole file.
        message: One sentence.
        scales: Those of the model's scales at which it is so; empty if at all.
    """

    level: str
    row: int | None
    message: str
    scales: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = "" if self.row is None else f"row {self.row}: "
        return f"{self.level}: {place}{self.message}" + (f" (scale {', '.join(self.scales)})" if self.scales else "")
