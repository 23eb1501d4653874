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
from lastlayer.classifier.evaluation.likeness.label_agreement import neighbour_margins, others_best

_MAGIC: Final = b"lastlayer held out 2\n"
_MAGIC_OF_BEFORE: Final = b"lastlayer held out 1\n"
_CHECKSUM_BYTES: Final = 4
_FIELDS_OF_BEFORE: Final = [
    ("content_sha256", "u1", 32),
    ("label", "<u4"),
    ("predicted", "<u4"),
    ("label_probability", "<f4"),
    ("predicted_probability", "<f4"),
    ("suspicious", "u1"),
]
_ENTRY_OF_BEFORE: Final = np.dtype(_FIELDS_OF_BEFORE)
_ENTRY: Final = np.dtype([*_FIELDS_OF_BEFORE, ("agreement", "<f4")])

_LEAST_AGREEMENT: Final = -1.5
"""Up to this agreement a label is suspicious. With 10 of 180 labels of flowers changed it lists 19, of which 8.9 are
among those, and with 20 of 200 changed 25 with 16.5; of 450 thumbnails with 30 changed 60 with 22. Confident learning
lists 13 with 7.3, 20 with 13.5 and 91 with 21. Of the 180 as they are it lists 13, and confident learning 4."""

_LEAST_PROBABILITY: Final = 0.01
"""Is added to each probability before its logarithm: below it, how improbable a class is says nothing more."""

_MOST_ASKED: Final = 2000
"""For how many examples the neighbours are looked for, those that the regression doubts most: they are compared with
all of the others, and more of them are never listed."""


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
    """The out-of-fold predictions of a version: 53 bytes an example, however many classes there are."""

    def __init__(self, entries: npt.NDArray[Any]) -> None:
        self._entries = entries

    @classmethod
    def of(
        cls,
        contents: Sequence[bytes],
        y: Indices,
        probabilities: npt.NDArray[np.float64],
        vectors: npt.NDArray[np.float32] | None = None,
    ) -> "OutOfFold":
        """Return the out-of-fold predictions of n examples.

        `contents` are the images' sha256, `y`, intp [n], the indices of their labels, and `probabilities`, float64
        [n, c], what was predicted for each by a head that was trained without it. With `vectors`, float32 [n, d], by
        which near examples are alike, these have a say in which labels are suspicious.
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
            agreement = _log_odds(probabilities, y)
            if vectors is None:
                entries["suspicious"] = _suspicious(probabilities, y)
            else:
                asked = np.argsort(agreement, kind="stable")[:_MOST_ASKED]
                agreement[asked] += neighbour_margins(vectors, y, asked, probabilities.shape[1])
                # No label is suspicious only because of its neighbours: it would suggest itself.
                entries["suspicious"] = (agreement <= _LEAST_AGREEMENT) & (predicted != y)
            entries["agreement"] = agreement
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
        """Return the examples whose label is probably wrong, the most suspicious first.

        How well a label agrees with the image is the sum of two numbers: the logarithm of how many times as probable as
        the best other class it is out of fold, and by how much more of the nearest examples have it, from -1 to 1. A
        wrong label pulls the regression to itself, but not its neighbours. Where there were no vectors, as in versions
        of earlier releases, an example is suspicious by confident learning alone (Northcutt, Jiang and Chuang,
        Confident Learning: Estimating Uncertainty in Dataset Labels, 2021: the off-diagonal of the confident joint):
        where a class other than its label is its best, and is as probable as it is on average for the examples with
        that label.
        """
        found = self._entries[self._entries["suspicious"] != 0]
        return _examples(found[np.argsort(found["agreement"], kind="stable")])

    def to_bytes(self) -> bytes:
        """Return them as bytes: a line that names the format, the entries, and the CRC-32 of both."""
        content = _MAGIC + self._entries.tobytes()
        return content + zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")

    @classmethod
    def from_bytes(cls, stored: bytes) -> "OutOfFold":
        """Return what `to_bytes` wrote; raises StoreCorruptError for anything else."""
        content, checksum = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        magic, kind = (_MAGIC, _ENTRY) if content.startswith(_MAGIC) else (_MAGIC_OF_BEFORE, _ENTRY_OF_BEFORE)
        entries = content.removeprefix(magic)
        sound = zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") == checksum
        if not sound or not content.startswith(magic) or len(entries) % kind.itemsize:
            raise StoreCorruptError("The stored held-out results of this version are damaged; train the model again.")
        return cls(_upgrade(np.frombuffer(entries, kind)))


def _upgrade(entries: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return entries as they are stored now."""
    if entries.dtype == _ENTRY:
        return entries
    upgraded = np.zeros(len(entries), _ENTRY)
    for name, *_ in _FIELDS_OF_BEFORE:
        upgraded[name] = entries[name]
    upgraded["agreement"] = entries["label_probability"] - entries["predicted_probability"]
    return upgraded


def _log_odds(probabilities: npt.NDArray[np.float64], y: Indices) -> npt.NDArray[np.float64]:
    """Return the logarithm of how many times as probable as the best other class the labels are, float64 [n]."""
    own, other = probabilities[np.arange(len(y)), y], others_best(probabilities, y)
    odds: npt.NDArray[np.float64] = np.log((own + _LEAST_PROBABILITY) / (other + _LEAST_PROBABILITY))
    return odds


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
