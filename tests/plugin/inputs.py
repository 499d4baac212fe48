"""What the tests of the plug-in load and read."""

import logging
from contextlib import contextmanager

import torch
from ultralytics.nn.tasks import DetectionModel


def detector(model: str | dict, nc: int = 80, seed: int = 0) -> DetectionModel:
    """A model with every tensor drawn, running statistics included, so that no two are alike by chance."""
    torch.manual_seed(seed)
    network = DetectionModel(model, nc=nc, verbose=False)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.rand(value.shape) * 0.02)
    return network


@contextmanager
def logged(caplog):
    """Lets caplog see Ultralytics' logger, which does not propagate."""
    logging.getLogger("ultralytics").addHandler(caplog.handler)
    yield
    logging.getLogger("ultralytics").removeHandler(caplog.handler)
