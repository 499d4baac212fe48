"""The runs of an experiment that have ended: read from the journal, added one by one, with tables that are always up to date."""

from collections.abc import Callable
from dataclasses import replace

from yolo_attn.experiment import journal, tables
from yolo_attn.experiment.plan import Experiment, Plan
from yolo_attn.experiment.records import FailedRun, FinishedRun, Outcome


class Results:
    """The journal of an experiment's folder, as far as it concerns this experiment. One process at a time may have it."""

    def __init__(self, experiment: Experiment, plan: Plan, log: Callable[[str], None]):
        """Read the journal, log a sentence about each damaged line of it, and write the tables."""
        self._experiment = experiment
        self._models = tuple(plan.texts)
        self._failed: dict[tuple[str, int], FailedRun] = {}
        self._journal = experiment.out / journal.NAME
        self.planned = [(name, seed) for seed in experiment.seeds for name in plan.texts]
        entries = journal.read(self._journal)
        for sentence in entries.damaged:
            log(sentence)
        self.finished = {(run.model, run.seed): run for run in entries.runs if isinstance(run, FinishedRun)}
        self.outcome = self._write_tables()

    def add(self, run: FinishedRun | FailedRun) -> None:
        """Write a run that has ended into the journal and the tables."""
        journal.append(self._journal, run)
        if isinstance(run, FinishedRun):
            self.finished[run.model, run.seed] = run
        else:
            self._failed[run.model, run.seed] = run
        self.outcome = self._write_tables()

    def _write_tables(self) -> Outcome:
        runs = tuple(self.finished[key] for key in self.planned if key in self.finished)
        failed = tuple(self._failed[key] for key in self.planned if key in self._failed)
        outcome = Outcome(models=self._models, runs=runs, failed=failed)
        return replace(outcome, table=tables.write(self._experiment.out, self._experiment.command, outcome))
