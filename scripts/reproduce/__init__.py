"""What the papers and this package's pages claim, made again.

papers.py           parameters and FLOPs of the papers' tables, counted on built networks; papers_page.py writes docs/papers.md
cards.py            a card for each layer; cards_page.py writes docs/layers.md
parity.py           every file of cfg/ in every export format against torch
operators.py        the ONNX operators of each layer
transfer.py         what of a checkpoint's weights reaches a model with inserted rows, and what that does to accuracy
network_weights.py  how much of a network with attention torchvision's weights fill
"""
