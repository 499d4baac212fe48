"""Scripts that make the figures of docs/ and the files of cfg/. Run from the root of a checkout: `python -m scripts.timing.layers`.

results.py   a measured table: JSON in docs/results/data/, rendered into the pages that name it
timing/      time and memory
reproduce/   the papers' counts, cards of the layers, parity, operators, transfer of weights
maintain/    cfg/, pages and the command reference written anew, tests against other Ultralytics versions
"""
