"""Render every table of docs/ from its JSON file: python -m scripts.maintain.pages"""

from scripts.results import refresh_pages

if __name__ == "__main__":
    refresh_pages()
