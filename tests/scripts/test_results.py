"""Measured tables: saved, rendered, and current in every page."""

import pytest
import typer

from scripts import results
from scripts.reproduce.runtimes_page import PARTS, RUNTIMES
from scripts.results import Made, Table
from yolo_attn.cli import app

PAGES = sorted((results.ROOT / "docs").rglob("*.md"))
TABLE = Table(
    ("layer", "ms", "nodes"),
    (("EMA", {"median": 2.314, "low": 2.01, "high": 2.75, "ratio": 1.007}, 1234), ("a | b", None, 0.5)),
    Made("python -m x", "abc1234", "a CPU", {"torch": "2.15.0"}, 0.25),
    "One thread.",
)


def test_a_table_reads_back_from_its_json():
    assert Table.from_json(TABLE.to_json()) == TABLE


def test_a_rendered_table_says_how_it_was_made_and_shows_medians_with_quartiles():
    assert TABLE.markdown().split("\n") == [
        "",
        "`python -m x`: commit abc1234, torch 2.15.0, a CPU, load at the start 0.2.",
        "",
        "One thread.",
        "",
        "| layer | ms | nodes |",
        "|---|---|---|",
        "| EMA | 2.31 (2.01 to 2.75), 1.007 | 1,234 |",
        "| a \\| b |  | 0.50 |",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "0.12"), (9.994, "9.99"), (9.996, "10.0"), (99.96, "100"), (1234.5, "1,234")]
)
def test_numbers_have_at_most_three_digits(value, text):
    assert results.shown(value) == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(results.ROOT).as_posix())
def test_every_page_shows_its_tables_as_they_were_saved(page):
    text = page.read_text(encoding="utf-8")
    assert results.refreshed(text) == text, "run `python -m scripts.maintain.pages`"


def test_every_saved_table_stands_in_a_page():
    named = {match[2] for page in PAGES for match in results.MARKED.finditer(page.read_text(encoding="utf-8"))}
    sources = {
        f"runtime-{runtime}{part}" for runtime in RUNTIMES for part in PARTS.values()
    }  # read by the page's own tables
    assert {path.stem for path in results.DATA.glob("*.json")} - sources == named


def test_the_reference_names_every_command_and_option():
    page = (results.ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")

    def missing(command, name):
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("-")]
        section = page.partition(f"# `{name}`\n")[2] if name != "yolo-attn" else page
        found = [
            f"{name} {option}" for option in options if f"`{option}" not in section and f" {option}" not in section
        ]
        for verb, inner in getattr(command, "commands", {}).items():
            found += missing(inner, f"{name} {verb}")
        return found

    assert missing(typer.main.get_command(app), "yolo-attn") == [], "run `python -m scripts.maintain.pages`"
