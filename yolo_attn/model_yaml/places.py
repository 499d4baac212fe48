"""Rows of a model YAML by the role that they play."""

from yolo_attn.model_yaml.rows import parse

DEFAULT = "backbone-end"
ROLES = (DEFAULT, "sppf", "stages", "neck")
POOLING = ("SPPF", "SPP", "SPPELAN")
AFTER_STAGES = (*POOLING, "PSA", "C2PSA", "C2fPSA")  # what a backbone may have behind its last stage of convolutions


def places(text: str, role: str | int) -> list[int]:
    """The rows behind which a layer goes.

    Args:
        text: A model YAML.
        role: `backbone-end` (the last stage, before any pooling pyramid), `sppf` (the pooling pyramid), `stages` (each level of the
            backbone that the neck uses), `neck` (each feature map that enters the head), or the index of a row.

    Raises:
        ValueError: The model has no row of that role.
    """
    rows = parse(text)
    backbone = [row for row in rows if row.section == "backbone"]
    if str(role).isdecimal():
        matching = [int(role)]
    elif role == "backbone-end":
        matching = [row.index for row in backbone if row.module not in AFTER_STAGES][-1:]
    elif role == "sppf":
        matching = [row.index for row in rows if row.module in POOLING]
    elif role == "stages":
        read = {source for row in rows if row.section == "head" for source in row.sources}
        matching = [row.index for row in backbone if row.index in read]
    elif role == "neck":
        matching = sorted({*rows[-1].sources})
        if not any(row.section == "head" for row in rows[:-1] if row.index in matching):
            raise ValueError("this model has no neck: its head reads the backbone; write backbone-end or a row's index")
    else:
        raise ValueError(f"no place {role!r}; write {', '.join(ROLES)}, or the index of a row")
    matching = [index for index in matching if 0 <= index < len(rows) - 1]  # nothing goes behind the model's head
    if not matching:
        raise ValueError(f"this model has no {role}: its rows are 0 to {len(rows) - 1}, the last of which is the head")
    return matching
