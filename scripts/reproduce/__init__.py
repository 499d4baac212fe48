"""Scripts that check again what the papers and this package's pages claim.

papers.py       every row of the papers' tables (papers.jsonl) with its verdict; papers_networks.py builds, papers_counts.py counts
papers_page.py  docs/papers.md: prose (papers_page.md, its numbers from papers_numbers.py) and the tables
paper_files.py  yolov5-paper*.yaml: the detectors of the EMA paper as its authors' files have them
cards_page.py   docs/layers.md: a card for each layer
parity.py       every file of cfg/ in every export format against torch
ignored.py      what `ignored: fill` changes in a training
operators.py    the ONNX operators of each layer
transfer.py     what of a checkpoint's weights reaches a model with inserted rows or a network with attention
"""
