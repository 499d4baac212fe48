"""What is wrong in a model YAML.

check.py   wiring, names, comments, and a build at every scale
"""
