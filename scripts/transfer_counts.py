"""How many of a stock model's weights reach the model with inserted rows: python scripts/transfer_counts.py

By Ultralytics alone, which matches by key, and with yolo_attn. "Misplaced" are tensors that land in a row of another role because
key and shape happen to agree. Weights are random: only keys, shapes and rows matter.
"""

import yaml
from ultralytics.nn.tasks import DetectionModel

from yolo_attn.model_yaml import edit
from yolo_attn.plugin.alignment import agree, plan
from yolo_attn.plugin.files import find

CASES = [
    (family, scale, at)
    for family, scale in (("yolov5", "s"), ("yolov8", "s"), ("yolo11", "s"), ("yolo26", "s"))
    for at in ("backbone-end", "stages", "neck")
]
VARIANTS = [
    ("yolov5", "yolov5-p2", "s"),
    ("yolov5", "yolov5-p2-ema", "s"),
    ("yolov8", "yolov8-p2", "s"),
    ("yolo26", "yolo26-p2", "s"),
]


def model(text: str, scale: str, nc: int = 80) -> DetectionModel:
    return DetectionModel({**yaml.safe_load(text), "scale": scale}, nc=nc, verbose=False)


def line(name: str, source: DetectionModel, target: DetectionModel) -> str:
    """A row of the table."""
    view, carried = plan(source, target)
    given, wanted = source.state_dict(), target.state_dict()
    by_key = [key for key, value in given.items() if key in wanted and value.shape == wanted[key].shape]
    counterpart = dict(carried.matched)
    misplaced = sum(counterpart.get(int(key.split(".")[1])) != int(key.split(".")[1]) for key in by_key)
    elements = sum(given[key].numel() for key in given)
    presented = view.state_dict()
    arrived = sum(v.numel() for k, v in presented.items() if k in wanted and v.shape == wanted[k].shape)
    assert not agree(source, target)
    return (
        f"| {name} | {len(given)} | {len(by_key)}, of which misplaced {misplaced} | {carried.carried_tensors} | "
        f"{arrived / elements:.1%} | {carried.share:.1%} |"
    )


def main() -> None:
    """Print the table."""
    heads = (
        "model",
        "tensors of the source",
        "by key",
        "with yolo_attn",
        "of the source's elements",
        "of the target's parameters",
    )
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for family, scale, at in CASES:
        text = find(f"{family}.yaml").read_text(encoding="utf-8")
        changed = edit.insert_all(text, ["EMA"], [at])
        print(line(f"{family}{scale}, EMA at {at}", model(text, scale), model(changed, scale)), flush=True)
    text = find("yolov5.yaml").read_text(encoding="utf-8")
    changed = edit.insert_all(text, ["EMA"], ["backbone-end"])
    print(
        line("yolov5s, EMA at backbone-end, 10 classes of 80", model(text, "s"), model(changed, "s", nc=10)), flush=True
    )
    for family, variant, scale in VARIANTS:
        texts = [find(f"{name}.yaml").read_text(encoding="utf-8") for name in (family, variant)]
        print(line(f"{family}{scale} into {variant}", *(model(text, scale) for text in texts)), flush=True)


if __name__ == "__main__":
    main()
