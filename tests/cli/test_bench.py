"""Arguments of `yolo-attn bench`, its output and its exit code."""

import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from yolo_attn import cli
from yolo_attn.experiment import runner, written_plan
from yolo_attn.experiment.plan import Experiment
from yolo_attn.experiment.records import FailedRun, Outcome
from yolo_attn.experiment.report import page

WORDS = ["bench", "--models", "a.yaml", "--data", "d.yaml", "--epochs", "3", "--out", "out"]


class Requested(list):
    """Experiments, and the places where their runs are to be done."""

    def __init__(self):
        super().__init__()
        self.places = []


@pytest.fixture
def experiments(monkeypatch):
    """The experiments that the command asks for; nothing is run."""
    requested = Requested()

    def run(experiment: Experiment, log, place) -> Outcome:
        requested.append(experiment)
        requested.places.append(place)
        failed = [FailedRun(model="a", seed=0, error="no", log="")] if experiment.epochs == 7 else []
        return Outcome(models=("a",), runs=(), failed=tuple(failed), table="| the table |")

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(page, "write", lambda folders, with_latex: [Path(f"{folders[0]}/report.html {with_latex}")])
    return requested


@pytest.mark.parametrize(
    ("words", "models", "seeds"),
    [
        (["--models", "a.yaml"], ["a.yaml"], [0]),
        (["--models", "a.yaml,b.yaml", "--seeds", "0,1,2"], ["a.yaml", "b.yaml"], [0, 1, 2]),
        (["--models", "a.yaml", "--models", "b.yaml", "--seeds", "3", "--seeds", "1"], ["a.yaml", "b.yaml"], [3, 1]),
        (
            ["--models", "a.yaml, b.yaml", "--models", "c.yaml", "--seeds", "0,1,"],
            ["a.yaml", "b.yaml", "c.yaml"],
            [0, 1],
        ),
    ],
)
def test_models_and_seeds_are_separated_by_commas_or_repeated(experiments, words, models, seeds):
    done = CliRunner().invoke(cli.app, ["bench", *words, *WORDS[3:]])
    assert done.exit_code == 0, done.output
    (experiment,) = experiments
    assert (experiment.models, experiment.seeds) == (models, seeds)


def test_the_other_words_are_training_arguments_with_their_types(experiments):
    words = ["imgsz=64", "lr0=0.1", "plots=False", "device=cpu", "pretrained=a=b.pt", "--control", "name=x y"]
    assert CliRunner().invoke(cli.app, [*WORDS, *words]).exit_code == 0
    expected = {"imgsz": 64, "lr0": 0.1, "plots": False, "device": "cpu", "pretrained": "a=b.pt", "name": "x y"}
    assert experiments == [
        Experiment(
            models=["a.yaml"],
            data="d.yaml",
            seeds=[0],
            epochs=3,
            out=Path("out"),
            training=expected,
            with_control=True,
        )
    ]


def test_the_command_that_the_table_shows_asks_for_the_same(experiments, tmp_path):
    words = ["bench", "--models", "a.yaml,my b.yaml", "--data", "d.yaml", "--seeds", "0,2", "--epochs", "3"]
    CliRunner().invoke(
        cli.app, [*words, "--out", str(tmp_path), "imgsz=64", "plots=False", "--control", "--cpus-per-run", "3"]
    )
    CliRunner().invoke(cli.app, shlex.split(experiments[0].command)[1:])
    assert len(experiments) == 2 and experiments[0] == experiments[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["imgsz", "416"], "what is 'imgsz'? Training arguments are KEY=VALUE"),
        (["3"], "what is '3'? Training arguments are KEY=VALUE"),
        (
            ["b.yaml"],
            "what is 'b.yaml'? Training arguments are KEY=VALUE; several models or seeds are separated by commas",
        ),
        (["=3"], "what is '=3'?"),
        (["imgsz=64", "imgsz=96"], "imgsz is given twice, as 64 and 96; give it once"),
        (["--seeds", "0,x"], "--seeds takes whole numbers separated by commas, such as 0,1,2, and not 'x'"),
        (["--seeds", "0 1"], "and not '0 1'"),
        (["--seeds=-1"], "and not '-1'"),
        (["--ray", "auto", "--jobs", "2"], "--jobs is for one machine; with --ray, --cpus-per-run and --gpus-per-run"),
        (["--gpus-per-run", "1"], "--gpus-per-run is of use with --ray only"),
        (["--spread", "0.3"], "--spread is of use with --plan or --plan-file only"),
        (["--plan", "--spread", "0"], "--spread is 0; give percentage points above 0"),
    ],
)
def test_a_word_that_says_nothing_is_named_in_one_line(experiments, monkeypatch, capsys, words, message):
    monkeypatch.setattr(sys, "argv", ["yolo-attn", *WORDS, *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    error = capsys.readouterr().err
    assert (ended.value.code, len(error.splitlines()), experiments) == (2, 1, [])
    assert message in error


@pytest.mark.parametrize(("epochs", "code"), [("3", 0), ("7", 1)], ids=["all finished", "one failed"])
def test_the_table_is_printed_and_the_exit_code_says_whether_a_run_failed(experiments, epochs, code):
    done = CliRunner().invoke(cli.app, [*WORDS, "--epochs", epochs])
    assert (done.exit_code, done.stdout.strip()) == (code, "| the table |\nout/report.html False")


def test_no_epoch_is_no_training(experiments):
    assert CliRunner().invoke(cli.app, [*WORDS, "--epochs", "0"]).exit_code == 2
    assert experiments == []


@pytest.mark.parametrize(
    ("words", "file", "spread"),
    [(["--plan"], None, None), (["--plan-file", "plan.md", "--spread", "0.3"], Path("plan.md"), 0.3)],
)
def test_a_plan_is_printed_and_nothing_is_run(experiments, monkeypatch, words, file, spread):
    asked = []

    def plan(experiment, *given):
        asked.append(given[:2])
        return "the plan"

    monkeypatch.setattr(written_plan, "plan_experiment", plan)
    done = CliRunner().invoke(cli.app, [*WORDS, *words])
    assert (done.exit_code, done.stdout.strip(), asked, experiments) == (0, "the plan", [(file, spread)], [])


def test_jobs_are_runs_at_once(experiments, monkeypatch):
    assert CliRunner().invoke(cli.app, [*WORDS, "--jobs", "3"]).exit_code == 0
    with experiments.places[0] as place:
        assert place.at_once == 3
    assert CliRunner().invoke(cli.app, [*WORDS, "--jobs", "0"]).exit_code == 2
