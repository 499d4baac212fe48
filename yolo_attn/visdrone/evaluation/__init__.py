"""The official VisDrone-DET evaluation."""
