"""An image that is to be featurized, by where its bytes are."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["file", "tar", "parquet"]
"""Whether an image is a file of its own, a member of a tar file, or a cell of a Parquet file."""


@dataclass(frozen=True, slots=True)
class Item:
    """Where an image is, before it is read."""

    id: str
    """How the user knows it: the path of its file, with the member or row inside."""
    url: str
    """The file that holds its bytes, as fsspec opens it."""
    kind: Kind = "file"
    offset: int = 0
    """In a tar file the first byte of the image, in a Parquet file the number of its row."""
    size: int = 0
    """In a tar file the number of its bytes."""
    label: str | None = None
    """Its class, where it is known."""
