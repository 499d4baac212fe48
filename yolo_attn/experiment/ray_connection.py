"""The connection to a Ray cluster, or a cluster on this machine."""

import os
import socket
from typing import Any

ANSWER = 5.0  # seconds for an address to answer


def connect(address: str) -> Any:
    """Connect to the cluster at an address and return the module `ray`.

    Args:
        address: `HOST:PORT`, `auto` for the cluster that this machine belongs to, or `local` to start one here.

    Raises:
        ImportError: Ray is not installed.
        ConnectionError: No cluster answers at the address.
        ValueError: The address has another form.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError(f"bench: --ray needs Ray ({error}); pip install 'yolo-attn[cluster]'") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address == "local":
        ray.init(address="local", include_dashboard=False, **quiet)
        return ray
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port.isdecimal() and "/" not in host):
        raise ValueError(
            f"bench: --ray takes local, auto or HOST:PORT of a cluster that this machine belongs to, not {address}"
        )
    try:
        if address != "auto":
            socket.create_connection((host, int(port)), ANSWER).close()
        ray.init(address=address, **quiet)
    except (OSError, OverflowError, RuntimeError) as error:
        problem = reason(error)
        raise ConnectionError(f"bench: no Ray cluster answers at {address}: {problem}; see `ray status`") from error
    return ray


def reason(error: BaseException) -> str:
    """Say in one line why a task or a connection failed: what was raised at the node, or the last line of Ray's own message."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        return " ".join(str(cause).split()) or type(cause).__name__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
