"""Write the cards of the layers: python scripts/layer_cards.py > docs/layers.md"""

import torch
from measuring import commit
from reproduce import cards

print(f"""# The layers

`python scripts/layer_cards.py > docs/layers.md`, commit {commit()}, torch {torch.__version__}, no timing: any machine.
""")
print(cards.page(), end="")
