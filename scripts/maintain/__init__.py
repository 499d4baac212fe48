"""Scripts that keep the repository current.

cfg.py            the model files of cfg/, written from the stock ones
pages.py          the tables of docs/ rendered from their results, and docs/reference/commands.md from the command line's own help
compatibility.py  the tests against other Ultralytics versions
"""
