"""Scripts that check again what the papers and this package's pages claim.

papers.py       parameters and FLOPs of the papers' tables, counted on built networks
papers_page.py  docs/papers.md: the counts beside the printed numbers
cards_page.py   docs/layers.md: a card for each layer
parity.py       every file of cfg/ in every export format against torch
ignored.py      what `ignored: fill` changes in a training
operators.py    the ONNX operators of each layer
transfer.py     what of a checkpoint's weights reaches a model with inserted rows or a network with attention
"""
