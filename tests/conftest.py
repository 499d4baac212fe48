"""Ultralytics without network, without installing anything, and with settings of its own. Read when it is first imported."""

import os
import tempfile

os.environ["YOLO_OFFLINE"] = "1"
os.environ["YOLO_AUTOINSTALL"] = "false"
os.environ["YOLO_CONFIG_DIR"] = tempfile.mkdtemp(prefix="yolo-config-")
os.environ.pop("YOLO_ATTN_AUTOLOAD", None)
