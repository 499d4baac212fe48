"""Write the generated parts of docs/: every table from its JSON file, and the reference of the command line from its own help.

python -m scripts.maintain.pages
"""

import typer
from typer.cli import get_docs_for_click

from scripts.results import ROOT, refresh_pages
from yolo_attn.cli import app


def command_reference() -> str:
    """docs/reference/commands.md."""
    command = typer.main.get_command(app)
    page = get_docs_for_click(obj=command, ctx=typer.Context(command), name="yolo-attn", title="Commands")
    return "\n".join(line.rstrip() for line in page.rstrip().splitlines()) + "\n"


if __name__ == "__main__":
    refresh_pages()
    (ROOT / "docs" / "reference" / "commands.md").write_text(command_reference(), encoding="utf-8")
