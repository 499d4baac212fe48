"""Load stock models into each other and print a digest of each target: python stock_loads_worker.py yolov8n.yaml yolov8n-p2.yaml ...

Run by tests/plugin/test_weights.py with and without the plug-in. One line of JSON: {"source -> target": digest or error}, and under
"plugin" whether the plug-in was there.
"""

import copy
import hashlib
import itertools
import json
import sys

import torch
from ultralytics import RTDETR, YOLO
from ultralytics.nn import tasks


def built(name: str, seed: int) -> torch.nn.Module:
    """The model of a YAML with every weight drawn, so that no two tensors are alike by chance."""
    torch.manual_seed(seed)
    model = (RTDETR if "rtdetr" in name else YOLO)(name).model
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand(value.shape))
    return model


def digest(model: torch.nn.Module) -> str:
    """A digest of every key and tensor."""
    total = hashlib.blake2b(digest_size=16)
    for key, value in model.state_dict().items():
        total.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        total.update(value.contiguous().numpy())
    return total.hexdigest()


def loaded(source: torch.nn.Module, target: torch.nn.Module) -> str:
    """The digest of a copy of the target that has loaded the source, or the error of the load."""
    torch.manual_seed(0)
    target = copy.deepcopy(target)
    try:
        target.load(source, verbose=False)
    except Exception as error:
        return repr(error)
    return digest(target)


def main(names: list[str]) -> None:
    """Print the digests of all pairs."""
    sources = {name: built(name, seed=0) for name in names}
    targets = {name: built(name, seed=1) for name in names}
    digests = {
        f"{source} -> {target}": loaded(sources[source], targets[target])
        for source, target in itertools.product(names, names)
    }
    print(json.dumps({"plugin": hasattr(tasks.BaseModel.load, "__wrapped__"), **digests}))


if __name__ == "__main__":
    main(sys.argv[1:])
