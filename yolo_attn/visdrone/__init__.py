"""VisDrone-DET: its annotation format, its preparation for YOLO, its official evaluation, and a drawn stand-in."""
