"""Did attention help? Models times seeds, each run trained and measured in a process of its own.

plan.py         what to compare, checked before anything is written
settings.py     settings.json; a folder holds runs of one kind
data_set.py     its pictures are there, and its labels are read once
preparation.py  the folder, held and made ready
runner.py       every run that is not finished
results.py      those that are: the journal and the tables
places.py       where runs are done: this machine, or
cluster.py      the nodes of a Ray cluster (ray_connection.py, shares.py: how much of a node; node.py: what must be the same there)
estimate.py, power.py, written_plan.py  how long it takes and what it can detect, before training
launch.py       starts the process of a run
worker.py       that process, which ends with its parent
training.py     what it does: train, then measure
pretrained.py   the same pretrained weights for every model
checkpoints.py  checkpoints that are whole after a kill
records.py      the record of a run as JSON
journal.py      the file of these records
scores.py, complexity.py, environment.py  what is measured, and where
summary.py      means and differences of the models
compare.py      the same from resampled pictures too, corrected for several models; compare_details.py by class, size, error, picture
comparison.py   statistics.json, which holds the comparison
validation_set.py, measured_runs.py, paired_tables.py  the stored detections it is made from
statistics_table.py                       its section below the tables
effects.py                                differences by score and by class, for plots and report
tables.py, plots.py, report/              how they are shown
"""
