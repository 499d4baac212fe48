"""Write the cards of the layers: python scripts/layer_cards.py > docs/layers.md"""

import torch
from measuring import commit
from reproduce import cards


def main() -> None:
    """Print the page."""
    print(f"""# The layers

`python scripts/layer_cards.py > docs/layers.md`, commit {commit()}, torch {torch.__version__}, no timing: any machine.

{cards.page()}""")


if __name__ == "__main__":
    main()
