"""Count the parameters and FLOPs of the papers' tables again: python -m scripts.reproduce.papers_page [--json FILE]

Prints docs/papers.md.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from scripts import results
from scripts.reproduce import papers


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write one object per row to this file.")
    ] = None,
) -> None:
    start = time.perf_counter()
    recounts = list(papers.recount())
    seconds = time.perf_counter() - start
    if json_file:
        json_file.write_text(json.dumps(papers.objects(recounts), indent=1) + "\n", encoding="utf-8")
    print(f"""# The papers' tables, counted again

{results.made("torch")} {seconds:.0f} s on the meta device.

Parameters are those of the networks that this package builds. Accuracies are the papers' own, printed beside them to tell
which row is meant; none was measured here.
""")
    print(papers.markdown(recounts))


if __name__ == "__main__":
    typer.run(main)
