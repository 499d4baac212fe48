"""Tables on the terminal."""

from rich.console import Console
from rich.table import Table


def percent(value: float) -> str:
    """Return a number with two decimals, - for NaN."""
    return "-" if value != value else f"{value:.2f}"


def print_tables(*tables: Table) -> None:
    """Print tables one under the other, numbers aligned to the right."""
    console = Console()
    for table in tables:
        table.title_justify = "left"
        for column in table.columns[1:]:
            column.justify = "right"
        console.print(table)
