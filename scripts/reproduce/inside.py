"""Every layer inside every block of every stock family: does it build and run? python -m scripts.reproduce.inside [--scales n,s,x]

Each block of a stock model is taken as the stock parser builds it, at the width that it has there; a layer is put inside, and the block
runs on torch's meta device, that is over shapes.
"""

import copy
from collections import Counter
from pathlib import Path
from typing import Annotated

import torch
import typer
import ultralytics
import yaml
from torch import nn
from ultralytics.nn import tasks

from scripts import results
from yolo_attn.layers import LAYERS, is_multi_source
from yolo_attn.model_yaml.inner_layers import BOTTLENECKS, END
from yolo_attn.plugin.inner_layers import InnerLayer
from yolo_attn.plugin.inside_blocks import BRANCH, LAST, insert

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
FAMILIES = (
    "v3/yolov3",
    "v3/yolov3-spp",
    "v3/yolov3-tiny",
    "v5/yolov5",
    "v6/yolov6",
    "v8/yolov8",
    "v8/yolov8-ghost",
    "v8/yolov8-rtdetr",
)
FAMILIES += (
    "v9/yolov9t",
    "v9/yolov9c",
    "v9/yolov9e",
    "v10/yolov10n",
    "v10/yolov10s",
    "v10/yolov10x",
    "11/yolo11",
    "12/yolo12",
    "26/yolo26",
)
FAMILIES += ("rt-detr/rtdetr-l", "rt-detr/rtdetr-x", "rt-detr/rtdetr-resnet50")
SMALL = (4,)  # an argument for widths that the default does not split: factor, groups or reduction


def main(
    scales: Annotated[str, typer.Option(help="Scales of the families that have some, separated by commas.")] = "n,s,x",
    families: Annotated[
        str, typer.Option(help="Model YAMLs under Ultralytics' cfg/models, separated by commas.")
    ] = ",".join(FAMILIES),
) -> None:
    """Count, for each block and place, the cases that run, those that are refused with a sentence, and those that fail otherwise."""
    counts: dict[tuple[str, str], Counter] = {}
    tried: set[tuple] = set()
    for family in families.split(","):
        model = yaml.safe_load((STOCK / f"{family}.yaml").read_text(encoding="utf-8"))
        known = list(model.get("scales") or [""])
        for scale in [scale for scale in scales.split(",") if scale in known] or known[:1]:
            of_model({**model, "scale": scale}, counts, tried)
    outcomes = ("runs", f"runs with {SMALL[0]}", "refused", "fails")
    rows = [
        (block, place, sum(count.values()), *(count[outcome] for outcome in outcomes))
        for (block, place), count in sorted(counts.items())
    ]
    total = Counter(outcome for count in counts.values() for outcome in count.elements())
    rows.append(("all", "", sum(total.values()), *(total[outcome] for outcome in outcomes)))
    layers = sum(not is_multi_source(layer) for layer in LAYERS.values())
    note = f"{len(families.split(','))} families, scales {scales}, {layers} layers; each block at each width that it has in these models."
    results.save(
        "inside-blocks", ("block", "place", "cases", *outcomes), rows, results.made("torch", "ultralytics"), note
    )


def of_model(model: dict, counts: dict[tuple[str, str], Counter], tried: set[tuple]) -> None:
    """Try every layer in every block of one model, but for blocks of shapes that were tried before."""
    with torch.device("meta"):
        rows, _ = tasks.parse_model(copy.deepcopy(model), 3, verbose=False)
    inputs = shapes(rows)
    names = [row[2] for row in [*model["backbone"], *model["head"]]]
    for row, name, x in zip(rows, names, inputs, strict=False):
        kinds = {kind.__name__ for module in row.modules() for kind in type(module).__mro__}
        own = {kind.__name__ for module in (row, *row.children()) for kind in type(module).__mro__}
        places = [BOTTLENECKS] * bool(kinds & {*BRANCH}) + [END] * bool(own & {*LAST} and name[:2] != "nn")
        signature = (name, *(tuple(value.shape) for value in row.state_dict().values()))
        if signature in tried or not isinstance(x, torch.Tensor):
            continue
        tried.add(signature)
        for place in places:
            for kind in LAYERS.values():
                if not is_multi_source(kind):
                    counts.setdefault((name, place), Counter())[outcome(row, name, x, kind, place)] += 1


def shapes(rows: nn.Sequential) -> list:
    """What each row reads in a forward pass of 256 x 256 px."""
    outputs, inputs = [], []
    for row in list(rows)[:-1]:
        image = torch.empty(2, 3, 256, 256, device="meta")
        sources = [row.f] if isinstance(row.f, int) else row.f
        given = [outputs[source] if outputs else image for source in sources]
        inputs.append(given[0] if isinstance(row.f, int) else given)
        outputs.append(row(inputs[-1]))
    return inputs


def outcome(row: nn.Module, name: str, x: torch.Tensor, kind: type[nn.Module], place: str) -> str:
    """Put a layer inside a copy of a row and run it."""
    for arguments, runs in (((), "runs"), (SMALL, f"runs with {SMALL[0]}")):
        block = copy.deepcopy(row)
        try:
            with torch.device("meta"), torch.no_grad():
                insert(block, name, [InnerLayer(kind, arguments, place, kind.__name__)])
                block(x)
                return runs
        except ValueError:
            result = "refused"
        except Exception as error:
            print(f"{name}+{kind.__name__}{arguments}, {place}, {tuple(x.shape)}: {error!r}")
            return "fails"
    return result


if __name__ == "__main__":
    typer.run(main)
