"""What a version predicted for its training examples out of fold, and which of them are worth a look.

Out of fold means by heads that were trained without the example. The store's column is `held_out`."""

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.errors import StoreCorruptError

_MAGIC: Final = b"lastlayer held out 1\n"
_CHECKSUM_BYTES: Final = 4
_ENTRY: Final = np.dtype(
    [
        ("content_sha256", "u1", 32),
        ("label", "<u4"),
        ("predicted", "<u4"),
        ("label_probability", "<f4"),
        ("predicted_probability", "<f4"),
        ("suspicious", "u1"),
    ]
)


@dataclass(frozen=True)
class OutOfFoldExample:
    """What was predicted for one example out of fold."""

    content_sha256: bytes
    label: int
    """The index of its label in the version's classes."""
    predicted: int
    """The index of its best class."""
    label_probability: float
    predicted_probability: float


class OutOfFold:
    """The out-of-fold predictions of a version: 49 bytes an example, however many classes there are."""

    def __init__(self, entries: npt.NDArray[Any]) -> None:
        self._entries = entries

    @classmethod
    def of(cls, contents: Sequence[bytes], y: Indices, probabilities: npt.NDArray[np.float64]) -> "OutOfFold":
        """Return the out-of-fold predictions of n examples.

        `contents` are the images' sha256, `y`, intp [n], the indices of their labels, and `probabilities`, float64
        [n, c], what was predicted for each by a head that was trained without it.
        """
        entries = np.zeros(len(contents), _ENTRY)
        if len(contents):
            rows = np.arange(len(contents))
            predicted = probabilities.argmax(1)
            entries["content_sha256"] = np.frombuffer(b"".join(contents), np.uint8).reshape(-1, 32)
            entries["label"] = y
            entries["predicted"] = predicted
            entries["label_probability"] = probabilities[rows, y]
            entries["predicted_probability"] = probabilities[rows, predicted]
            entries["suspicious"] = _suspicious(probabilities, y)
        return cls(entries)

    @functools.cached_property
    def contents(self) -> set[bytes]:
        """The sha256 of the examples."""
        return {entry.tobytes() for entry in self._entries["content_sha256"]}

    @functools.cached_property
    def labels(self) -> set[int]:
        """The indices of the examples' labels: all classes of the version, save those too small to be left out."""
        return set(self._entries["label"].tolist())

    def mistakes(self) -> list[OutOfFoldExample]:
        """Return the examples that were predicted wrongly, the most confident mistake first."""
        wrong = self._entries[self._entries["label"] != self._entries["predicted"]]
        return _examples(wrong[np.argsort(-wrong["predicted_probability"], kind="stable")])

    def suspicious(self) -> list[OutOfFoldExample]:
        """Return the examples whose label is probably wrong, by confident learning, the most suspicious first.

        An example is suspicious where a class other than its label is its best, and is as probable as it is on average
        for the examples with that label (Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in
        Dataset Labels, 2021: the off-diagonal of the confident joint), in the order of the normalised margin.
        """
        found = self._entries[self._entries["suspicious"] != 0]
        margin = found["label_probability"] - found["predicted_probability"]
        return _examples(found[np.argsort(margin, kind="stable")])

    def to_bytes(self) -> bytes:
        """Return them as bytes: a line that names the format, the entries, and the CRC-32 of both."""
        content = _MAGIC + self._entries.tobytes()
        return content + zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")

    @classmethod
    def from_bytes(cls, stored: bytes) -> "OutOfFold":
        """Return what `to_bytes` wrote; raises StoreCorruptError for anything else."""
        content, checksum = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        entries = content.removeprefix(_MAGIC)
        sound = zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") == checksum
        if not sound or not content.startswith(_MAGIC) or len(entries) % _ENTRY.itemsize:
            raise StoreCorruptError("The stored held-out results of this version are damaged; train the model again.")
        return cls(np.frombuffer(entries, _ENTRY))


def _suspicious(probabilities: npt.NDArray[np.float64], y: Indices) -> npt.NDArray[np.bool_]:
    count = probabilities.shape[1]
    sums = np.bincount(y, probabilities[np.arange(len(y)), y], count)
    examples = np.bincount(y, minlength=count)
    # A class without out-of-fold examples has no self-confidence to compare with: nothing is said to be of it.
    thresholds = np.where(examples > 0, sums / np.maximum(examples, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    best = confident.argmax(1)
    other = (confident.max(1) >= 0) & (best != y)
    found: npt.NDArray[np.bool_] = other & (best == probabilities.argmax(1))
    return found


def _examples(entries: npt.NDArray[Any]) -> list[OutOfFoldExample]:
    return [
        OutOfFoldExample(
            content_sha256=entry["content_sha256"].tobytes(),
            label=int(entry["label"]),
            predicted=int(entry["predicted"]),
            label_probability=float(entry["label_probability"]),
            predicted_probability=float(entry["predicted_probability"]),
        )
        for entry in entries
    ]
