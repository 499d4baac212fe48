"""Measurements: what the papers print, and what the package costs."""
