"""Did attention help? Models times seeds, each run trained and measured in a process of its own.

plan.py         what to compare, checked before anything is written
settings.py     the note of a folder's settings; a folder holds runs of one kind
runner.py       every run that is not finished, one after another
launch.py       the process of a run, as the runner starts it
worker.py       the process of a run, as it works: train, then measure
lifetime.py     a process ends with its parent
pretrained.py   the same pretrained weights for every model
checkpoints.py  checkpoints that are whole after a kill
records.py      what is recorded of a run
journal.py      the file of these records
scores.py, complexity.py, environment.py  what is measured, and where
paired.py, summary.py, tables.py, plots.py  what the records say
control.py      the control of an ablation
"""
