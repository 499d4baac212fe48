"""What a layer must do to serve in a detector, checked on any class, and what it costs.

promises.py  each promise, how it is checked, and what to change where it is broken
cost.py      parameters, operations, memory and time beside known layers
adopt.py     both for one class: `adopt`
"""
