"""The loss of YOLOv5 v6.0 for its anchor-based head: CIoU for boxes, binary cross-entropy for objectness and classes.

A target goes to every anchor whose sides are within a factor of 4 of its own, in the cell that holds its centre and in the two neighbours
that are nearest. Described at https://github.com/ultralytics/yolov5 (utils/loss.py and data/hyps/hyp.scratch.yaml, release v6.0).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.metrics import bbox_iou

from yolo_attn.networks.anchor_detect import AnchorDetect
from yolo_attn.networks.anchors import RATIO

LOSS_NAMES = ("box_loss", "obj_loss", "cls_loss")
# Newer trainers take the names of the losses from the loss. Older ones have the method below, and names of their own.
LOSSES_HAVE_NAMES = "label_loss_items" not in vars(DetectionTrainer)
GAINS = {"box": 0.05, "obj": 1.0, "cls": 0.5}
ULTRALYTICS_GAINS = {"box": 7.5, "cls": 0.5}  # its defaults, at which the gains above hold
BALANCE = {3: (4.0, 1.0, 0.4), 4: (4.0, 1.0, 0.25, 0.06), 5: (4.0, 1.0, 0.25, 0.06, 0.02)}  # of objectness by level


class AnchorLoss:
    """Outputs of the head and a batch of Ultralytics' trainer -> the loss times the batch size, and its three parts.

    The parts are {name: value}, or a tensor (3,) for a trainer that names them itself.

    Training arguments `box` and `cls` scale the gains of v6.0 relative to Ultralytics' defaults.

    Args:
        model: A DetectionModel that ends in `AnchorDetect`, with its training arguments in `args`.
    """

    def __init__(self, model: Any):
        self.head: AnchorDetect = model.model[-1]
        if self.head.nl not in BALANCE:
            raise ValueError(f"AnchorDetect: a loss is known for 3 to 5 levels, found {self.head.nl}")
        scale = {name: getattr(model.args, name, default) / default for name, default in ULTRALYTICS_GAINS.items()}
        levels = 3 / self.head.nl
        imgsz = getattr(model.args, "imgsz", 640)
        side = max(imgsz) if isinstance(imgsz, list | tuple) else imgsz
        self.box_gain = GAINS["box"] * scale["box"] * levels
        self.cls_gain = GAINS["cls"] * scale["cls"] * levels * self.head.nc / 80
        self.obj_gain = GAINS["obj"] * levels * (side / 640) ** 2

    def __call__(
        self, predictions: Any, batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor] | torch.Tensor]:
        raw = self.head.raw_maps(predictions)
        device, images = raw[0].device, len(raw[0])
        targets = torch.cat([batch["batch_idx"].view(-1, 1), batch["cls"].view(-1, 1), batch["bboxes"]], 1).to(device)
        box = obj = cls = raw[0].new_zeros((), dtype=torch.float32)
        for level, maps in enumerate(raw):
            maps = maps.permute(0, 1, 3, 4, 2)  # (B, 3, H, W, 5 + classes)
            height, width = maps.shape[2:4]
            anchors = self.head.sizes[level].to(device).float() / self.head.stride[level].to(device)  # in cells
            image, anchor, row, column, centre, size, kind = assign(targets.float(), anchors, height, width)
            wanted = maps.new_zeros(maps.shape[:4], dtype=torch.float32)
            if len(image):
                chosen = maps[image, anchor, row, column].float()  # (M, 5 + classes)
                corner = torch.stack([column, row], 1)
                found = torch.cat(
                    [chosen[:, :2].sigmoid() * 2 - 0.5, (chosen[:, 2:4].sigmoid() * 2) ** 2 * anchors[anchor]], 1
                )
                iou = bbox_iou(found, torch.cat([centre - corner, size], 1), xywh=True, CIoU=True).squeeze(-1)
                box = box + (1 - iou).mean()
                # Where targets share a cell and an anchor the best overlap counts; YOLOv5 leaves the winner open.
                place = ((image * maps.shape[1] + anchor) * height + row) * width + column
                wanted.view(-1).scatter_reduce_(0, place, iou.detach().clamp(0), "amax")
                if self.head.nc > 1:
                    cls = cls + F.binary_cross_entropy_with_logits(chosen[:, 5:], F.one_hot(kind, self.head.nc).float())
            obj = obj + BALANCE[self.head.nl][level] * F.binary_cross_entropy_with_logits(maps[..., 4].float(), wanted)
        parts = torch.stack([self.box_gain * box, self.obj_gain * obj, self.cls_gain * cls])
        shown = parts.detach()
        return parts.sum() * images, dict(zip(LOSS_NAMES, shown, strict=True)) if LOSSES_HAVE_NAMES else shown


def assign(targets: torch.Tensor, anchors: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, ...]:
    """Targets (T, 6) of image, class, centre and size in fractions; anchors (A, 2) in cells -> what each of M matches is of.

    Returns:
        Image, anchor, row and column (M,); centre and size (M, 2) in cells; class (M,). All but centre and size are whole numbers.
    """
    grid = targets.new_tensor([width, height])
    centre, size = targets[:, 2:4] * grid, targets[:, 4:6] * grid
    ratio = size[None] / anchors[:, None]  # (A, T, 2)
    fits = torch.max(ratio, 1 / ratio).amax(2) < RATIO
    anchor, target = fits.nonzero(as_tuple=True)
    centre, size, image, kind = centre[target], size[target], targets[target, 0].long(), targets[target, 1].long()
    # The cell of the centre, and of its neighbours across the two nearer edges those that exist.
    inverse = grid - centre
    left, above = ((centre % 1 < 0.5) & (centre > 1)).unbind(1)
    right, below = ((inverse % 1 < 0.5) & (inverse > 1)).unbind(1)
    moves = centre.new_tensor([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]]) * 0.5
    move, match = torch.stack([torch.ones_like(left), left, above, right, below]).nonzero(as_tuple=True)
    cell = (centre[match] - moves[move]).long()
    column, row = cell[:, 0].clamp(0, width - 1), cell[:, 1].clamp(0, height - 1)
    return image[match], anchor[match], row, column, centre[match], size[match], kind[match]
