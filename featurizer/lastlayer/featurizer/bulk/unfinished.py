"""A shard in the making: the features of its images as they come, and at last a table of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.plan import Run
from lastlayer.featurizer.pipeline.pipeline import Featurized
from lastlayer.rpc.errors import ImageError
from lastlayer.rpc.vectors import View, place


class UnfinishedShard:
    """The features of a shard's images, in any order; each row is to be `put` or to be refused (`refuse`)."""

    def __init__(self, items: Sequence[Item], run: Run, dimensions: Mapping[str, int]) -> None:
        """`dimensions` are those of the taps."""
        self._items = items
        self._taps = run.taps
        self.views = [View.parse(view) for view in run.views]
        """Those of which an image has vectors."""
        self._vectors = {
            place(tap, view): np.zeros((len(items), dimensions[tap]), np.dtype(run.dtype))
            for view in self.views
            for tap in run.taps
        }
        self._checksums: list[str | None] = [None] * len(items)
        self._errors: list[str | None] = [None] * len(items)

    def put(self, row: int, sha256: str, outcome: Featurized | ImageError) -> None:
        """Take the features of an image, or why it has none."""
        self._checksums[row] = sha256
        if isinstance(outcome, ImageError):
            self.refuse(row, f"{outcome.reason}: {outcome}")
            return
        for view, found in zip(self.views, outcome.views, strict=True):
            for tap in self._taps:
                self._vectors[place(tap, view)][row] = found[tap]

    def refuse(self, row: int, reason: str) -> None:
        """Take note why an image has no features."""
        self._errors[row] = reason

    @property
    def failed(self) -> int:
        """How many images have no features."""
        return sum(error is not None for error in self._errors)

    def table(self) -> pa.Table:
        """Return a row for each image, in order: id, sha256, label, a list of numbers for each tap of each view, and
        error.
        """
        whole = np.array([error is None for error in self._errors], bool)
        columns = {
            "id": pa.array([item.id for item in self._items], pa.string()),
            "sha256": pa.array(self._checksums, pa.string()),
            "label": pa.array([item.label for item in self._items], pa.string()),
            **{key: _lists(values, whole) for key, values in self._vectors.items()},
            "error": pa.array(self._errors, pa.string()),
        }
        return pa.table(columns)


def _lists(values: npt.NDArray[np.floating], whole: npt.NDArray[np.bool_]) -> pa.ListArray:
    """Return the rows of [n, d] as lists, and none for rows that are not whole."""
    offsets = np.concatenate([[0], np.cumsum(whole) * values.shape[1]]).astype(np.int32)
    kept = values if whole.all() else values[whole]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(kept.reshape(-1)), mask=pa.array(~whole))
