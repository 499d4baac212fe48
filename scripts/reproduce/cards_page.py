"""Write the cards of the layers: python -m scripts.reproduce.cards_page > docs/layers.md"""

from scripts.reproduce import cards


def text() -> str:
    """The page. It depends on the code alone, so a test can compare it with the committed one."""
    return f"# The layers\n\nWritten by `python -m scripts.reproduce.cards_page > docs/layers.md`.\n\n{cards.page()}"


if __name__ == "__main__":
    print(text(), end="")
