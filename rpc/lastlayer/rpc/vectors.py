"""The one encoding of a vector on the wire and in the store: float32, little-endian, without padding.

And how far vectors of other precisions may be from it, what of an image they are of, and what folders of features have
in common, whoever writes them.
"""

import enum
from collections.abc import Iterable
from typing import Final, Self

import numpy as np
import numpy.typing as npt

TOLERATED_MEAN_COSINE: Final = 0.99
"""How far features may be from those in float32: the least mean cosine at a tap with which heads are as good.

Measured with int8 on GoogLeNet and Xception: docs/explanation/performance.md.
"""

FOLDER_FORMAT: Final = 1
"""Of the manifest of a folder of features; another one is not read."""

MANIFEST: Final = "_manifest.json"
"""The file that says what a folder of features holds. It is written last."""

GROUP_ROWS: Final = 1000
"""How many rows of a shard a reader has to hold in memory at least."""

_DTYPE = np.dtype("<f4")


class View(enum.IntEnum):
    """What of an upright image a network sees; the numbers are those of `lastlayer.v1.View`."""

    CROP = 1
    """The centre, as much of it as there is in the network's proportions."""
    WHOLE = 2
    """All of it, squashed to the network's proportions."""
    CROP_FLIPPED = 3
    """The centre, mirrored."""
    WHOLE_FLIPPED = 4
    """All of it, mirrored."""

    @property
    def label(self) -> str:
        """How it is called in options, files and the store, such as `crop-flipped`."""
        return self.name.lower().replace("_", "-")

    @property
    def wire(self) -> str:
        """How `lastlayer.v1.View` calls it, which messages accept, such as `VIEW_CROP`."""
        return f"VIEW_{self.name}"

    @property
    def is_flipped(self) -> bool:
        """Whether it is mirrored."""
        return self in (View.CROP_FLIPPED, View.WHOLE_FLIPPED)

    @property
    def upright(self) -> "View":
        """What is mirrored: the same view if it is not."""
        return {View.CROP_FLIPPED: View.CROP, View.WHOLE_FLIPPED: View.WHOLE}.get(self, self)

    @classmethod
    def parse(cls, label: str) -> Self:
        """Return the view of a label; raises ValueError with those that there are.

        Example:
            View.parse("whole") is View.WHOLE
        """
        for view in cls:
            if view.label == label:
                return view
        raise ValueError(f"There is no view `{label[:100]}`; there are {join_views(cls)}.")


CROP_ALONE: Final = (View.CROP,)
"""What is seen where nothing else is asked for."""


def place(tap: str, view: View) -> str:
    """Return the key of a tap's vectors of a view: the tap's name, of other views than the crop with the view's label.

    So the keys of earlier releases, which had the crop alone, stay as they are. No tap has an `@` in its name.

    Example:
        place("mixed4e", View.WHOLE) == "mixed4e@whole"
    """
    return tap if view is View.CROP else f"{tap}@{view.label}"


def join_views(views: Iterable[View]) -> str:
    """Return the labels of views as one text, such as `crop, whole`."""
    return ", ".join(view.label for view in views)


def pack(vector: npt.NDArray[np.float32]) -> bytes:
    """Return the bytes of a vector, float32 [d], or of a map, float32 [h, w, d], row by row."""
    return vector.astype(_DTYPE, copy=False).tobytes()


def unpack(values: bytes) -> npt.NDArray[np.float32]:
    """Return the vector, float32 [d], read-only, without a copy; raises ValueError for a broken length."""
    return np.frombuffer(values, _DTYPE)
