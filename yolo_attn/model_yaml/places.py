"""Rows of a model YAML by the role that they play."""

from yolo_attn.model_yaml.rows import parse

DEFAULT = "backbone-end"
ROLES = (DEFAULT, "sppf", "stages", "neck")
POOLING = ("SPPF", "SPP", "SPPELAN")
# What stages and necks are made of, if it has bottlenecks. C2PSA and the like have as well, but are attention already.
BLOCKS = (
    *("A2C2f", "Bottleneck", "BottleneckCSP", "C2", "C2f", "C2fAttn", "C2fCIB", "C3", "C3Ghost", "C3k2", "C3x"),
    *("GhostBottleneck", "RepC3", "RepNCSPELAN4"),
)
BLOCK_ROLES = ("backbone", "neck", "all")
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
        matching = [row.index for row in backbone if row.block not in AFTER_STAGES][-1:]
    elif role == "sppf":
        matching = [row.index for row in rows if row.block in POOLING]
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


def blocks(text: str, into: str) -> list[int]:
    """The rows inside whose blocks a layer goes.

    Args:
        text: A model YAML.
        into: A block's name such as `C3k2`, `backbone` or `neck` (all blocks there that are made of bottlenecks), `all` (both), or
            the index of a row.

    Raises:
        ValueError: The model has no such row.
    """
    rows = parse(text)[:-1]  # nothing goes into the model's head
    if into.isdecimal():
        matching = [row.index for row in rows if row.index == int(into)]
    elif into in BLOCK_ROLES:
        sections = {"backbone": ("backbone",), "neck": ("head",)}.get(into, ("backbone", "head"))
        matching = [row.index for row in rows if row.section in sections and row.block in BLOCKS]
    else:
        matching = [row.index for row in rows if row.block == into]
    if not matching:
        known = ", ".join(dict.fromkeys(row.block for row in rows if row.block in BLOCKS)) or "none made of bottlenecks"
        raise ValueError(
            f"this model has no {into} that takes a layer inside; its blocks are {known}; write one of them, {', '.join(BLOCK_ROLES)}, "
            "or the index of a row"
        )
    return matching
