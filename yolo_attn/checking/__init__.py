"""What is wrong in a model YAML, found without weights, without memory for them, and without running code of the file.

check.py      check(text) -> findings; sources, rows without effect, comments
finding.py    what a finding is
permitted.py  which modules and which activation a file may name
build.py      a build at every scale, and a forward pass over shapes alone
"""
