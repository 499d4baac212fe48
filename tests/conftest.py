"""Ultralytics without network, without installing anything, and with settings of its own. Read when it is first imported."""

import os
import tempfile

os.environ["YOLO_OFFLINE"] = "1"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="yolo-config-")
os.environ.pop("YOLO_ATTN_AUTOLOAD", None)
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # a process a core, not threads of every process on every core
