"""Advice before a training, from the labels alone: how large are the objects, and what follows for size, head and tiles.

objects      the labels of a split -> sizes of objects and pictures, read as Ultralytics reads them
sizes        the distribution of the sizes, and the shares of small objects at each training size
rules        image size, P2 head, tiles: each rule with its numbers and its source
report       all of it as JSON and as a figure
"""
