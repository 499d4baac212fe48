"""Step and polynomial learning rate schedules, which a model YAML names and Ultralytics' trainer then follows.

    lr_schedule: {step: [60, 120, 160], factor: 0.2}  # epochs 1 to 60 at lr0, 61 to 120 at lr0 * 0.2, ...
    lr_schedule: {polynomial: 4}                       # lr0 * (1 - epochs done / epochs) ** 4

The key stands in the model YAML because a model keeps its YAML: in checkpoints, so that a resumed training goes on by it, and in the
processes of a multi-GPU training. A model without the key trains by Ultralytics' own schedule.
"""

from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Any

from ultralytics.utils import LOGGER

KEY = "lr_schedule"
EXAMPLES = "{step: [60, 120, 160], factor: 0.2} or {polynomial: 4}"


def check(schedule: object) -> None:
    """Refuse a value of `lr_schedule` that is neither of the two kinds.

    Raises:
        ValueError: The value is of no known kind, its epochs do not increase, or a number is out of range.
    """
    kind = frozenset(schedule) if isinstance(schedule, dict) else frozenset()
    if not isinstance(schedule, dict) or kind not in ({"step", "factor"}, {"polynomial"}):
        raise ValueError(f"{KEY}: found {schedule}; write {EXAMPLES}")
    if "polynomial" in kind and not _positive(schedule["polynomial"]):
        raise ValueError(f"{KEY}: the power of a polynomial is a number above 0; found {schedule['polynomial']}")
    if "step" in kind:
        epochs = schedule["step"]
        whole = isinstance(epochs, list) and all(type(epoch) is int and epoch > 0 for epoch in epochs)
        if not whole or not epochs or any(later <= earlier for earlier, later in pairwise(epochs)):
            raise ValueError(f"{KEY}: step is a list of epochs, each above 0 and later than the last; found {epochs}")
        if not _positive(schedule["factor"]):
            raise ValueError(f"{KEY}: factor is a number above 0; found {schedule['factor']}")


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def share(schedule: dict, epoch: int, epochs: int) -> float:
    """Return the share of lr0 in an epoch, counted from 0, of a training of `epochs`."""
    if "step" in schedule:
        return float(schedule["factor"] ** bisect_right(schedule["step"], epoch))
    return float(max(1 - epoch / epochs, 0) ** schedule["polynomial"])


def follow(trainer: Any) -> None:
    """Give the trainer the schedule of its model's YAML; a callback of Ultralytics' trainer for `on_train_epoch_start`.

    Every epoch anew: the trainer makes its own schedule again where `time=` is given and where memory ran out.
    """
    model = getattr(trainer.model, "module", trainer.model)  # a multi-GPU training wraps the model
    model_yaml = getattr(model, "yaml", None)
    if not isinstance(model_yaml, dict) or model_yaml.get(KEY) is None:
        return
    schedule = model_yaml[KEY]
    if trainer.epoch == trainer.start_epoch:
        _announce(schedule, Path(model_yaml.get("yaml_file") or "model").name, trainer.epochs)

    def factor(epoch: int) -> float:
        return share(schedule, epoch, trainer.epochs)

    trainer.lf = factor  # for the warm-up
    trainer.scheduler.lr_lambdas = [factor] * len(trainer.optimizer.param_groups)


def _announce(schedule: Any, file: str, epochs: int) -> None:
    try:
        check(schedule)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    LOGGER.info(f"{file}: {KEY} {schedule} sets the learning rate; cos_lr and lrf have no effect")
    if late := [epoch for epoch in schedule.get("step", []) if epoch >= epochs]:
        LOGGER.warning(f"{file}: {KEY} has a step at {late[0]}, which a training of epochs={epochs} never reaches")
