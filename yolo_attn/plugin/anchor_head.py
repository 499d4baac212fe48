"""What a model that ends in `AnchorDetect` needs of Ultralytics: its losses, their names, and a look at the anchors before training."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from ultralytics.utils import LOGGER

from yolo_attn.networks.anchors import best_possible_recall, fitted

ENOUGH = 0.98  # best possible recall from which anchors are left alone


def is_anchor_head(head: object) -> bool:
    """Whether a head is an `AnchorDetect`, without importing torchvision's networks for any other."""
    return any(
        kind.__name__ == "AnchorDetect" and kind.__module__.startswith("yolo_attn.") for kind in type(head).__mro__
    )


def with_anchor_loss(original: Callable) -> Callable:
    """Wrap `ultralytics.nn.tasks.DetectionModel.init_criterion`."""

    def init_criterion(self: Any) -> Any:
        if not is_anchor_head(self.model[-1]):
            return original(self)
        from yolo_attn.networks.anchor_loss import AnchorLoss

        return AnchorLoss(self)

    return init_criterion


def prepare_training(trainer: Any) -> None:
    """Name the losses and look at the anchors of a model that ends in `AnchorDetect`.

    A callback of Ultralytics' trainer for `on_pretrain_routine_end`. A resumed training keeps its anchors.
    """
    rows = getattr(getattr(trainer.model, "module", trainer.model), "model", None)
    if isinstance(rows, nn.Sequential) and is_anchor_head(rows[-1]):
        name_losses(trainer)
        if not trainer.args.resume:
            check_anchors(trainer, rows[-1])


def name_losses(trainer: Any) -> None:
    """Have an older trainer show the losses of the anchor head under their names. Newer ones take them from the loss."""
    from yolo_attn.networks.anchor_loss import LOSS_NAMES, LOSSES_HAVE_NAMES

    if LOSSES_HAVE_NAMES:
        return
    trainer.loss_names = LOSS_NAMES
    if trainer.metrics is not None:  # the zeros before the first validation, in the process that validates
        names = [*trainer.validator.metrics.keys, *trainer.label_loss_items(prefix="val")]
        trainer.metrics = dict.fromkeys(names, 0)


def check_anchors(trainer: Any, head: Any) -> None:
    """Compute the anchors of a row with `auto`, and say how well the anchors fit the training boxes."""
    boxes = box_sizes(trainer.train_loader.dataset.labels, max(np.atleast_1d(trainer.args.imgsz)))
    if head.fit_anchors and len(boxes):
        sizes = fitted(boxes, head.nl, head.na)
        for network in (head, trainer.ema.ema.model[-1] if trainer.ema else head):
            network.sizes.copy_(torch.from_numpy(sizes).to(network.sizes))
            network.fit_anchors = False
    sizes = head.sizes.flatten(0, 1).cpu().numpy()
    recall = best_possible_recall(sizes, boxes)
    LOGGER.info(f"AnchorDetect: anchors {sizes.round().astype(int).tolist()} fit {recall:.1%} of the training boxes")
    if recall < ENOUGH:
        LOGGER.warning(
            f"AnchorDetect: {1 - recall:.1%} of the training boxes are more than four times as large or small as every anchor and are"
            " never learned; write `AnchorDetect, [nc, auto]` to compute anchors from the data"
        )


def box_sizes(labels: list[dict], imgsz: int) -> np.ndarray:
    """Labels of an Ultralytics data set -> (N, 2) width and height of every box in pixels, images scaled to `imgsz`."""
    sides = [entry["bboxes"][:, 2:4] * np.array(entry["shape"][::-1]) * imgsz / max(entry["shape"]) for entry in labels]
    return np.concatenate([np.empty((0, 2)), *sides])
