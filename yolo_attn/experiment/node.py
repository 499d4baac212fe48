"""What a run depends on at a machine of a cluster, and how that differs from the machine that starts the benchmark."""

import hashlib
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_attn.storage import digest, folder_lock

SEEN = 30.0  # seconds for a new file to appear on other machines: file servers keep lists of files for a while


@dataclass(frozen=True)
class Needs:
    """What the runs of an experiment need at every machine: paths, and the training arguments."""

    out: Path
    data: Path
    checkpoint: Path | None
    training: Mapping[str, Any]


def contents(needs: Needs) -> dict[str, str]:
    """{what a result depends on: version or digest} at this machine.

    Raises:
        FileNotFoundError: The data set or the checkpoint is not there. Nothing is fetched.
        ValueError: The data YAML says too little.
    """
    import torch
    import ultralytics

    import yolo_attn
    from yolo_attn.experiment.data_set import check_data_set, data_digest

    for file in filter(None, (needs.data, needs.checkpoint)):
        if not file.is_file():
            raise FileNotFoundError(f"{file} is not there")
    found = {
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "ultralytics": ultralytics.__version__,
        "yolo-attn": f"{yolo_attn.__version__} (digest {_package_digest()})",
        f"the file {needs.data}": f"digest {digest(needs.data)[:12]}",
        f"the data set of {needs.data}": f"digest {data_digest(check_data_set(needs.data, False), needs.training)[:12]}",
    }
    if needs.checkpoint:
        found[f"the file {needs.checkpoint}"] = f"digest {digest(needs.checkpoint)[:12]}"
    return found


def require_shared(out: Path) -> None:
    """Raise ValueError unless this machine sees the folder that another process holds, and its lock."""
    end = time.monotonic() + SEEN
    while not (out / ".lock").is_file():
        if time.monotonic() > end:
            raise ValueError(f"{out} is not there; name a folder on storage that all machines share")
        time.sleep(0.5)
    try:
        with folder_lock(out, "", 0):
            problem = "its storage does not keep locks between machines, so two could do the same run"
            raise ValueError(f"{out}: {problem}; mount it with locks, as NFS 4 does")
    except FileExistsError:
        pass  # the benchmark holds it


def require_same(needs: Needs, expected: Mapping[str, str]) -> None:
    """Raise what keeps this machine from doing the runs of an experiment as the machine would that starts them."""
    require_shared(needs.out)
    found = contents(needs)
    for name, value in expected.items():
        if found[name] != value:
            raise ValueError(f"{name} is {found[name]} there and {value} here; make them the same")


def _package_digest() -> str:
    root, content = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        content.update(f"{file.relative_to(root).as_posix()}\n".encode() + file.read_bytes())
    return content.hexdigest()[:12]
