"""Detectors, and what goes in and comes out: pictures, boxes, files."""
