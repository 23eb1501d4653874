"""What was found in an export."""

from pathlib import Path
from typing import Final, NamedTuple

from lastlayer.client.data.imports.members import Member

NO_TAG: Final = ""
"""The label of an image that has none, where images may have several."""


class Exported(NamedTuple):
    """Labelled images, as they were exported: labels are not checked yet."""

    images: tuple[tuple[str, Member | Path, str], ...]
    """The label of each image, the image, and what it is called."""
    skipped: tuple[str, ...] = ()
    """The names of files that are no images, or in no class."""
    empty: tuple[str, ...] = ()
    """The classes that have no images."""
    notes: tuple[str, ...] = ()
    """What else a user should know, one sentence each."""
