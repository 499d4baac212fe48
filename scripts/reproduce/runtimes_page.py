"""The tables of all runtimes side by side, from those of each: python -m scripts.reproduce.runtimes_page"""

from collections import Counter
from collections.abc import Iterator

from scripts import results

RUNTIMES = {
    "onnx": "ONNX",
    "onnx-dynamic": "ONNX, dynamic",
    "onnx-dynamo": "ONNX by torch.export",
    "onnx-half": "ONNX, half",
    "torchscript": "TorchScript",
    "torch.export": "torch.export",
    "openvino": "OpenVINO",
    "ncnn": "ncnn",
    "mnn": "MNN",
    "executorch": "ExecuTorch",
    "litert": "LiteRT",
    "saved_model": "TensorFlow",
    "paddle": "Paddle",
    "coreml": "Core ML",
    "rknn": "RKNN",
}
PARTS = {"layers": "", "files": "-files"}  # of the names of the tables
GOOD = ("right", "converts")


def collect() -> None:
    """Write the summary, the matrices and the list of what is not right."""
    tables = {(runtime, part): table for runtime in RUNTIMES for part in PARTS for table in read(runtime, part)}
    made = results.Made("python -m scripts.reproduce.runtimes_page", results.commit(), results.machine())
    head = (
        "runtime",
        "packages",
        "of",
        "cells",
        "right",
        "refused",
        "wrong or failed",
        "share right",
        "commit",
        "load",
    )
    lines = [summary(*key, table) for key, table in tables.items()]
    cells, right, refused, wrong = (sum(int(line[column]) for line in lines) for column in range(3, 7))
    lines.append(("all", "", "", cells, right, refused, wrong, f"{right / cells:.1%}", "", None))
    pages = {"runtimes": results.Table(head, tuple(lines), made)}
    for part in PARTS:
        chosen = {RUNTIMES[runtime]: table for (runtime, of), table in tables.items() if of == part}
        names = dict.fromkeys(row[0] for table in chosen.values() for row in table.rows)
        cells = {
            (runtime, row[0]): shown(dict(zip(table.columns, row, strict=True)))
            for runtime, table in chosen.items()
            for row in table.rows
        }
        matrix = tuple((name, *(cells.get((runtime, name)) for runtime in chosen)) for name in names)
        pages[f"runtimes-{part}"] = results.Table(("layer" if part == "layers" else "model", *chosen), matrix, made)
    others = tuple(
        (RUNTIMES[runtime], row[0], row[1], row[-1])
        for (runtime, _), table in tables.items()
        for row in table.rows
        if row[1] not in GOOD
    )
    pages["runtimes-others"] = results.Table(("runtime", "layer or model", "outcome", "message"), others, made)
    for name, table in pages.items():
        (results.DATA / f"{name}.json").write_text(table.to_json(), encoding="utf-8")
    results.refresh_pages()


def read(runtime: str, part: str) -> Iterator[results.Table]:
    """Read one table, if it was measured."""
    path = results.DATA / f"runtime-{runtime}{PARTS[part]}.json"
    if path.exists():
        yield results.Table.from_json(path.read_text(encoding="utf-8"))


def summary(runtime: str, part: str, table: results.Table) -> tuple:
    """Count the outcomes of one table."""
    outcomes = Counter(row[1] for row in table.rows)
    right = sum(outcomes[outcome] for outcome in GOOD)
    packages = ", ".join(f"{name} {number}" for name, number in table.made.versions.items() if name != "ultralytics")
    return (
        RUNTIMES[runtime],
        packages,
        part,
        len(table.rows),
        right,
        outcomes["refused"],
        len(table.rows) - right - outcomes["refused"],
        f"{right / len(table.rows):.0%}",
        table.made.commit,
        table.made.load,
    )


def shown(row: dict[str, results.Cell]) -> str:
    """A cell: share of what is allowed and time where the file is right, otherwise the outcome."""
    if row["outcome"] != "right":
        return str(row["outcome"])
    share, time = row["share of what is allowed"], row.get("ms")
    return f"{share:.2f}" + (f"; {results.three_digits(time)} ms" if isinstance(time, float) else "")


if __name__ == "__main__":
    collect()
