"""What is wrong in a model YAML, found without weights, without memory for them, and without running code of the file.

check.py      check(text) -> findings
finding.py    what a finding is
wiring.py     sources, rows without effect, comments
permitted.py  which modules and which activation a file may name
build.py      a build at every scale, and a forward pass over shapes alone
"""
