"""report.html: what was run, what came out, and where each number stands, in one file that opens without a network.

folders.py     the runs of one folder, or of several that belong together
sources.py     links from the page to the records
detections.py  what the stored detections show: precision over recall, right and wrong boxes
evidence.py    intervals, p values and kinds of errors of the runs
plan.py        the plan that was written before the training
answer.py      the result in one sentence
tables.py      the tables of the page
figures.py     the plots of the page as SVG
pictures.py    which pictures are shown
drawing.py     one picture with the boxes of two models
latex.py       the comparison as a LaTeX table
page.py        puts it together with page.html
"""
