"""Write the cards of the layers: python scripts/layer_cards.py > docs/layers.md"""

import subprocess

import torch

from yolo_attn.bench import cards

commit = subprocess.getoutput("git rev-parse --short --verify -q HEAD") or "uncommitted"
print(f"""# The layers

`python scripts/layer_cards.py > docs/layers.md`, commit {commit}, torch {torch.__version__}, no timing: any machine.
""")
print(cards.page(), end="")
