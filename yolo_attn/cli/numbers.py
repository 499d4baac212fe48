"""Options that hold several numbers."""


def whole_numbers(option: str, text: str, separator: str, count: int) -> tuple[int, ...]:
    """Read "2000x1500" or "160,40,40"; `count` numbers are expected."""
    parts = text.split(separator)
    if len(parts) != count or not all(part.isascii() and part.isdigit() and len(part) < 7 for part in parts):
        raise ValueError(f"{option} {text!r}: expected {count} whole numbers with {separator!r} between them")
    return tuple(map(int, parts))
