"""The whole page, from folders made by hand."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from markupsafe import Markup
from typer.testing import CliRunner

from yolo_attn import cli
from yolo_attn.experiment import journal
from yolo_attn.experiment.records import FailedRun
from yolo_attn.experiment.report import figures, page

pytestmark = pytest.mark.usefixtures("no_plots")
VOID = {"meta", "image", "use", "path", "br"}


class Reader(HTMLParser):
    """The text, the identifiers and the addresses of a page whose elements are closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("href", "src", "xlink:href") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def written(folder: Path) -> tuple[str, Reader]:
    (file,) = page.write([folder])
    text = file.read_text(encoding="utf-8")
    return text, Reader(text)


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing takes most of the time; one page of these tests has its plots."""
    monkeypatch.setattr(figures, "inline_svg", lambda figure, title: Markup("<svg></svg>"))


@pytest.fixture
def moved(data):
    """Pictures and annotations out of the way."""
    place = data.parent / "set"
    place.rename(data.parent / "elsewhere")
    yield
    (data.parent / "elsewhere").rename(place)


def test_the_page_is_small_loads_nothing_and_every_link_leads_somewhere(bench, monkeypatch):
    monkeypatch.undo()  # with plots
    folder = bench()
    text, reader = written(folder)
    assert (
        text.count("<svg") - text.count('class="pair"') * 2 == 2 + 3 + 2 + 1
    )  # curves, precision, differences, latency
    assert len(text.encode()) < 5_000_000
    assert not re.search(r'(src|href)="?(http|//)|@import|url\((?!#)|fetch\(', text)
    for link in reader.links:
        if link.startswith("#"):
            assert link[1:] in reader.ids
        elif not link.startswith("data:"):
            assert (folder / unquote(link)).is_file(), link


def test_the_page_has_every_section_and_its_numbers(bench):
    text, reader = written(bench())
    for section in page.SECTIONS:
        assert f'id="{section.replace(" ", "-")}"' in text
    assert "ema against plain on three" in reader.text
    assert "12.75 ± 1.06" in reader.text  # official AP of ema: 12 and 13.5
    assert text.count('class="pair"') == 6  # a, b and c are the worst and changed
    for kind in ("class", "localisation", "duplicate", "background", "missed"):
        assert kind in reader.text


def test_every_plot_and_table_names_its_records(bench):
    folder = bench()
    text, _ = written(folder)
    for line in journal.read(folder / "runs.jsonl").lines:
        assert text.count(f"line {line.number}, SHA-256 {line.digest[:12]}") >= 6
        assert line.digest in text
    assert text.count('href="runs/ema-seed1/record.json"') >= 6


def test_names_from_files_are_escaped(bench):
    folder = bench(note="</p><script>alert(1)</script>")
    journal.append(folder / "runs.jsonl", FailedRun(model="<img src=x>", seed=3, error="<b>no</b>", log="log.txt"))
    text, reader = written(folder)
    assert "<script>alert" not in text and "<img src" not in text and "<b>no" not in text
    assert "Failed: <img src=x>, seed 3: <b>no</b>" in reader.text


def test_pictures_that_were_moved_away_are_named_and_the_rest_is_kept(bench, moved):
    _, reader = written(bench())
    assert "Missing: The validation pictures are not there" in reader.text
    assert "12.75 ± 1.06" in reader.text and "No stored detections could be evaluated." in reader.text


def test_detections_of_one_run_that_are_gone_are_named_and_the_rest_is_kept(bench):
    folder = bench()
    shutil.rmtree(folder / "runs" / "ema-seed1" / "detections")
    _, reader = written(folder)
    assert "ema, seed 1" in reader.text and "Most changed" in reader.text
    assert "holds no detections" in reader.text


def test_one_seed_says_that_there_is_no_interval_over_seeds(bench):
    _, reader = written(bench(seeds=(0,)))
    assert "1 seed" in reader.text and "one seed has no spread" in reader.text


def test_one_model_says_that_there_is_no_comparison(bench):
    _, reader = written(bench(models=("plain",)))
    assert (
        "One model was run, so there is no comparison: plain reached 10.50 ± 0.71 % official AP over 2 seeds."
        in reader.text
    )
    assert "Most errors" in reader.text and "Most changed" not in reader.text


def test_no_finished_run_says_so(bench):
    folder = bench()
    (folder / "runs.jsonl").write_text("")
    journal.append(folder / "runs.jsonl", FailedRun(model="ema", seed=0, error="no memory", log="log.txt"))
    _, reader = written(folder)
    assert "No run of the first model is finished with a score" in reader.text
    assert "Failed: ema, seed 0: no memory" in reader.text


def test_a_damaged_line_is_named(bench):
    folder = bench()
    with (folder / "runs.jsonl").open("a") as file:
        file.write("{}\n")
    assert "runs.jsonl:5: is not the record of a run" in written(folder)[1].text


def test_the_plan_is_named_with_its_digest_and_time(bench):
    folder = bench()
    assert "No plan was written before the training." in written(folder)[1].text
    note = '{"file": "/plans/plan.md", "sha256": "ab12", "time": "2026-01-02T03:04:05+00:00", "finished_runs": 0}\n'
    (folder / "plans.jsonl").write_text(note)
    said = "/plans/plan.md, SHA-256 ab12, written 2026-01-02T03:04:05+00:00, before any run had finished."
    assert said in written(folder)[1].text


def test_a_control_is_compared_with_its_model(bench):
    _, reader = written(bench(models=("plain", "ema", "ema-control")))
    assert "Difference to the own control" in reader.text


def test_folders_are_joined_by_the_command_and_the_table_is_written(bench, tmp_path, monkeypatch):
    first, second = bench("first", seeds=(0,)), bench("second", models=("plain", "eca"), seeds=(0, 1))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["report", str(first), str(second), "--latex"])
    assert (done.exit_code, done.stdout.split()) == (0, ["report.html", "table.tex"]), done.output
    reader = Reader(Path("report.html").read_text(encoding="utf-8"))
    assert "2 models against plain" in reader.text and "first/runs/ema-seed0/record.json" in reader.links
    assert r"\toprule" in Path("table.tex").read_text(encoding="utf-8")


def test_a_folder_without_a_journal_ends_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["yolo-attn", "report", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    error = capsys.readouterr().err
    assert (ended.value.code, len(error.splitlines())) == (2, 1)
    assert "has no runs.jsonl; name a folder that `yolo-attn bench --out` wrote" in error


def test_the_command_of_the_page_does_the_runs_again(bench):
    folder = bench(lr0=0.5, **{"CPU cores of a run": 2})
    command = page.commands(page.folders.read([folder]))[0].split()
    assert command[:3] == ["yolo-attn", "bench", "--models"]
    assert command[3] == f"{folder}/models/plain.yaml,{folder}/models/ema.yaml"
    assert command[6:] == [
        "--seeds",
        "0,1",
        "--epochs",
        "2",
        "--out",
        "NEW_FOLDER",
        "imgsz=64",
        "lr0=0.5",
        "--cpus-per-run",
        "2",
    ]
