"""The report of a tiling, as numbers and as sentences."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class TileReport:
    """Counts of one split; `+` adds those of two parts."""

    pictures: int = 0
    tiles: int = 0  # in the tiled set
    empty: int = 0  # of these, without a label
    thinned: int = 0  # tiles without a label that were left out
    boxes: int = 0  # labels of the pictures
    labels: int = 0  # labels of the tiles
    cut: int = 0  # of these, clipped at the border of the tile
    lost: int = 0  # boxes of the pictures that are a label of no tile
    remainders: int = 0  # parts of boxes below the share of their area that makes a label: ignored regions
    regions: int = 0  # parts of the pictures' own ignored regions
    unlabelled: int = 0  # pictures without label file, which are background
    regionless: int = 0  # pictures without file of ignored regions
    written: int = 0  # pictures of tiles that this run wrote

    def __add__(self, other: "TileReport") -> "TileReport":
        return TileReport(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def rows(self) -> dict[str, int]:
        """What each count is, in words."""
        return {
            "pictures": self.pictures,
            "of these without label file": self.unlabelled,
            "of these without file of ignored regions": self.regionless,
            "boxes in them": self.boxes,
            "tiles": self.tiles,
            "of these without a label": self.empty,
            "tiles without a label left out": self.thinned,
            "labels in tiles": self.labels,
            "of these cut at a border": self.cut,
            "parts of boxes, ignored": self.remainders,
            "parts of ignored regions": self.regions,
            "boxes that no tile shows well enough": self.lost,
            "tile pictures written": self.written,
        }
