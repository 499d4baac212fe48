"""Every layer in one runtime, against torch: python -m scripts.reproduce.runtimes FORMAT [part of a layer's name ...] [--files]

With --files, every file of cfg/ at scale n in place of the layers. Each is exported by Ultralytics in a process of its own, as converters
may end theirs. The packages of a runtime are often at odds with those of another: install each in its own environment.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import torch
import typer
from ultralytics.utils import LOGGER

from scripts import results
from scripts.reproduce import runtimes_page
from scripts.reproduce.runtime_cells import HEIGHT, WIDTH, WITHOUT, cell, files
from yolo_attn.deploy.outputs import ParityError
from yolo_attn.deploy.runtimes import first_line
from yolo_attn.layers import LAYERS

SECONDS = 600  # for a cell, after which a converter is taken to hang
MARK = "cell: "
PACKAGES: dict[str, tuple[str, ...]] = {
    "onnx-dynamo": ("onnx", "onnxscript", "onnxruntime"),
    "onnx-dynamic": ("onnx", "onnxslim", "onnxruntime"),
    "onnx-half": ("onnx", "onnxslim", "onnxruntime"),
    "onnx": ("onnx", "onnxslim", "onnxruntime"),
    "openvino": ("openvino",),
    "ncnn": ("ncnn", "pnnx"),
    "mnn": ("MNN",),
    "executorch": ("executorch",),
    "litert": ("litert-torch", "ai-edge-litert"),
    "saved_model": ("onnx2tf", "tensorflow"),
    "coreml": ("coremltools",),
    "paddle": ("paddlepaddle", "x2paddle"),
    "rknn": ("rknn-toolkit2",),
}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")

Row = tuple[str, str, float | None, float | None, str]  # name, outcome, share, milliseconds, error


def rows(format: str, names: Sequence[str]) -> Iterator[Row]:
    """Compute the row of each name in another process; what ends that process loses one row, not the rest."""
    left = list(names)
    while left:
        for row in child(format, tuple(left)):
            yield row
            left.pop(0)


def child(format: str, names: Sequence[str]) -> Iterator[Row]:
    """Compute rows in one process until the last, or until the process ends or hangs, which the last row then says."""
    command = [sys.executable, "-m", "scripts.reproduce.runtimes", format, *names, "--child"]
    path = os.pathsep.join([str(results.ROOT), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "errors"), "wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            errors="replace",
        )
        found: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        threading.Thread(target=read, args=(process, found)).start()
        for name in names:
            try:
                row = found.get(timeout=SECONDS)
                end = f"the process ended with status {process.wait()}" if row is None else ""
            except queue.Empty:
                row, end = None, f"no end within {SECONDS} s"
                process.kill()
            yield row or (name, "fails", None, None, end)
            if row is None:
                return
        process.wait()


def read(process: subprocess.Popen, found: queue.SimpleQueue) -> None:
    """Pass on the rows that a process prints, and None at its end."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(MARK):
            found.put(tuple(json.loads(line[len(MARK) :])))
    found.put(None)


def print_rows(format: str, names: Sequence[str]) -> None:
    """Print each row as a line of JSON after MARK, as converters print, too."""
    LOGGER.setLevel("ERROR")
    for name in names:
        row: Row
        try:
            row = (name, *cell(format, name), "")
        except ParityError as error:  # a file was written
            row = (name, "wrong", None, None, str(error))
        except Exception as error:  # of a converter or a runtime, which raise anything
            refused = "cannot be exported to" in str(error)  # by `yolo_attn.plugin.export_format`
            row = (
                (name, "refused", None, None, str(error)) if refused else (name, "fails", None, None, first_line(error))
            )
        print(f"\n{MARK}{json.dumps(row)}", flush=True)


def versions(format: str) -> dict[str, str]:
    """Return the versions of the packages that take part, as far as they are installed."""
    found = {}
    for package in ("torch", "ultralytics", *PACKAGES.get(format, ())):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main(
    format: Annotated[
        str, typer.Argument(help="The name of an Ultralytics export format, or of a variant in runtime_cells.py.")
    ],
    parts: Annotated[list[str] | None, typer.Argument(help="Parts of the names; by default all.")] = None,
    of_cfg: Annotated[bool, typer.Option("--files", help="Every file of cfg/ in place of every layer.")] = False,
    is_child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Save the table of one runtime, or print the rows of some layers."""
    torch.set_num_threads(1)
    if is_child:
        return print_rows(format, parts or [])
    names = files() if of_cfg else [WITHOUT, *sorted(LAYERS)]
    chosen = [name for name in names if any(part in name for part in parts or [""])]
    made = results.made(*versions(format))
    found = []
    for row in rows(format, chosen):
        print(*row, file=sys.stderr, flush=True)
        found.append(row)
    columns = ("model" if of_cfg else "layer", "outcome", "share of what is allowed", "ms", "error")
    note = f"Images of {HEIGHT} x {WIDTH}, drawn weights; 1 is the largest difference that counts as right."
    if len(chosen) == len(names):
        results.save(f"runtime-{format}{'-files' * of_cfg}", columns, found, made, note)
        runtimes_page.collect()
    else:
        print(results.Table(columns, tuple(found), made, note).markdown())


if __name__ == "__main__":
    typer.run(main)
