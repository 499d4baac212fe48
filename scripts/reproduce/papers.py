"""The parameter and FLOPs columns of the papers' tables, counted again on built networks.

papers.jsonl has a row for each row of the tables: what was printed, and the network that it is about. Accuracies in it are the
papers'; none was measured here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from scripts.reproduce import papers_counts as counts
from scripts.reproduce import papers_networks as networks

PUBLISHED = Path(__file__).with_name("papers.jsonl")
EXACT, CLOSE, OFF, MISSING, UNPRINTED = "exact", "within 0.5 %", "differs", "not built", "none printed"
FLOPS_CLOSE = "within 1 %"
UNITS = {10**6: "10^6", 2**20: "2^20"}
SPEC = ("network", "yolo", "scale", "classes", "detector")  # what of a row of papers.jsonl describes the network


@dataclass(frozen=True)
class Recount:
    """One row of a table.

    Attributes:
        paper, table, row, base, dataset: Where it stands.
        source: "paper", or "README" where only the authors' README has the table.
        network: How a user writes the counted network; empty where none is built.
        published: Printed parameters, in `unit`; None where the table has none.
        decimals: Printed decimals.
        unit: "10^6" or "2^20".
        rule: Which parameters are counted, a key of `papers_counts.RULES`.
        ours: Counted by that rule; None where the network is not built.
        verdict: `EXACT`, `CLOSE`, `OFF` with the difference, `MISSING` or `UNPRINTED`.
        fitted: What was chosen so that the count fits; empty where it follows from the text or the authors' code.
        shipped: How a user writes what this package ships for the row.
        shipped_parameters: All parameters of that.
        published_flops: As printed, with the printed unit; None where the table has no FLOPs.
        gflops: Counted, in the unit of the table; None where nothing is printed or built.
        flops_verdict: `EXACT`, `FLOPS_CLOSE`, `OFF` with the difference, or empty.
        note: What is known about a difference, or why there is no network.
        published_accuracy: As printed.
    """

    paper: str
    table: str
    row: str
    base: str
    dataset: str
    source: str
    network: str
    published: float | None
    decimals: int
    unit: str
    rule: str
    ours: int | None
    verdict: str
    fitted: str
    shipped: str
    shipped_parameters: int | None
    published_flops: str | None
    gflops: float | None
    flops_verdict: str
    note: str
    published_accuracy: dict[str, float]


def recount() -> Iterable[Recount]:
    """Every row of papers.jsonl, in its order."""
    for line in PUBLISHED.read_text(encoding="utf-8").splitlines():
        yield _recounted(json.loads(line))


def _recounted(row: dict) -> Recount:
    rule, flops = row.get("rule", counts.ALL), row.get("published_flops")
    spec = {key: row[key] for key in SPEC if key in row}
    is_built = "not_built" not in row
    shipped_spec = spec | ({"yolo": row["shipped"]} if "shipped" in row else {})
    ours = counted(spec)[rule] if is_built else None
    gflops = None
    if is_built and flops:
        gflops = multiply_adds(spec) * (2 if "yolo" in row else 1) / (2**30 if row["unit"] == 2**20 else 1e9)
    return Recount(
        **{key: row[key] for key in ("paper", "table", "row", "base", "dataset", "source", "published", "decimals")},
        network=networks.label(spec) if is_built else "",
        unit=UNITS[row["unit"]],
        rule=rule,
        ours=ours,
        verdict=verdict(row["published"], ours, row["unit"], row["decimals"]),
        fitted=row.get("fitted", ""),
        shipped=networks.label(shipped_spec) if is_built else "",
        shipped_parameters=counted(shipped_spec)[counts.ALL] if is_built else None,
        published_flops=flops,
        gflops=gflops,
        flops_verdict=flops_verdict(flops, gflops),
        note=row.get("not_built") or row.get("note", ""),
        published_accuracy=row["accuracy"],
    )


def verdict(published: float | None, ours: int | None, unit: int, decimals: int) -> str:
    """Compare a counted number of parameters with a printed one of so many decimals."""
    if published is None:
        return UNPRINTED
    if ours is None:
        return MISSING
    return _compared(published, ours / unit, decimals, CLOSE, 0.005)


def flops_verdict(published: str | None, ours: float | None) -> str:
    """Compare counted FLOPs with printed ones, such as 4.11G."""
    if published is None or ours is None:
        return ""
    digits = published.rstrip("GM")  # EMA's Table 2 prints M and means G
    return _compared(float(digits), ours, len(digits.partition(".")[2]), FLOPS_CLOSE, 0.01)


def _compared(published: float, ours: float, decimals: int, near: str, tolerance: float) -> str:
    if f"{ours:.{decimals}f}" == f"{published:.{decimals}f}":
        return EXACT
    off = ours / published - 1
    return near if abs(off) <= tolerance else f"{OFF}, {off:+.1%}".replace("%", " %")


def counted(spec: dict) -> dict[str, int]:
    """Parameters of a network by each rule."""
    return _counted(json.dumps(spec))


def network(spec: dict) -> torch.nn.Module:
    """The network itself, on the meta device."""
    return _built(json.dumps(spec))[0]


def multiply_adds(spec: dict) -> int:
    """Multiply-adds of a network on the image that its table is about."""
    return _multiply_adds(json.dumps(spec))


@cache
def _counted(spec: str) -> dict[str, int]:
    built, _ = _built(spec)
    return {rule: counts.parameters(built, rule) for rule in counts.RULES}


@cache
def _multiply_adds(spec: str) -> int:
    built, size = _built(spec)
    return counts.multiply_adds(built, torch.empty(1, 3, *size, device="meta"))


@cache
def _built(spec: str) -> tuple[torch.nn.Module, tuple[int, int]]:
    return networks.build(json.loads(spec))
