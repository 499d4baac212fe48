"""Write the reference of the command line from its own help: python -m scripts.maintain.commands"""

import typer
from typer.cli import get_docs_for_click

from scripts.results import ROOT
from yolo_attn.cli import app

PAGE = ROOT / "docs" / "reference" / "commands.md"


def text() -> str:
    """The page."""
    command = typer.main.get_command(app)
    written = get_docs_for_click(obj=command, ctx=typer.Context(command), name="yolo-attn", title="Commands")
    return "\n".join(line.rstrip() for line in written.rstrip().splitlines()) + "\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text(), encoding="utf-8")
