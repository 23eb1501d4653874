"""What a multi-label version predicted for its training images out of fold, and which labels of them are in doubt.

The store's column is `held_out`, as that of other versions; the first line tells them apart.
"""

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.evaluation.multi_label.metrics import LEAST_OF_EACH

_MAGIC: Final = b"lastlayer held out labels 1\n"
_CHECKSUM_BYTES: Final = 4
_COUNT: Final = np.dtype("<u4")
_PROBABILITY: Final = np.dtype("<f4")


_MOST_PROBABLE: Final = 0.18
"""A label is suspicious where it is at most as probable as that: its logit is -1.5, as in `evaluation.out_of_fold`."""


@dataclass(frozen=True)
class DoubtfulLabel:
    """A label that an image has, or lacks, against what was predicted for it out of fold."""

    content_sha256: bytes
    label: int
    """The index of the label in the version's classes."""
    has_it: bool
    """Whether the image was trained on as having the label."""
    probability: float
    """Of the label."""


class OutOfFoldLabels:
    """The out-of-fold predictions of a multi-label version, for m images and c labels."""

    def __init__(
        self,
        contents: Sequence[bytes],
        targets: npt.NDArray[np.bool_],
        probabilities: Array,
        predicted: npt.NDArray[np.bool_],
    ) -> None:
        """`contents` are the images' sha256; `targets`, bool [m, c], is which labels they have.

        `probabilities`, [m, c], is what was predicted by heads that were trained without them, and `predicted`, bool
        [m, c], what that decides.
        """
        self._contents = list(contents)
        self._targets = targets
        self._probabilities = probabilities.astype(_PROBABILITY)
        self._predicted = predicted

    @functools.cached_property
    def contents(self) -> set[bytes]:
        """The sha256 of the images."""
        return set(self._contents)

    def mistakes(self) -> list[DoubtfulLabel]:
        """Return the labels that were decided wrongly, the most confident mistake first."""
        return self._list(self._predicted != self._targets)

    def suspicious(self) -> list[DoubtfulLabel]:
        """Return the labels that are probably wrong, the most improbable first, by confident learning of each label.

        A label that an image has is suspicious where its absence is far more probable (see `_MOST_PROBABLE`), and as
        probable as it is on average for the images without it; one that it lacks likewise (Northcutt, Jiang and Chuang,
        Confident Learning, 2021, for two classes).
        """
        p, has = self._probabilities, self._targets
        counts = has.sum(0)
        sums = np.where(has, p, 0).sum(0), np.where(has, 0, 1 - p).sum(0)
        of_havers = sums[0] / np.maximum(counts, 1)
        of_others = sums[1] / np.maximum(len(has) - counts, 1)
        told = (counts >= LEAST_OF_EACH) & (len(has) - counts >= LEAST_OF_EACH)
        wrong = np.where(has, 1 - p >= of_others, p >= of_havers)
        return self._list(wrong & told & (np.where(has, p, 1 - p) <= _MOST_PROBABLE))

    def _list(self, chosen: npt.NDArray[np.bool_]) -> list[DoubtfulLabel]:
        rows, labels = np.nonzero(chosen)
        true = np.where(self._targets, self._probabilities, 1 - self._probabilities)[rows, labels]
        return [
            DoubtfulLabel(
                content_sha256=self._contents[rows[place]],
                label=int(labels[place]),
                has_it=bool(self._targets[rows[place], labels[place]]),
                probability=float(self._probabilities[rows[place], labels[place]]),
            )
            for place in np.argsort(true, kind="stable")
        ]

    def to_bytes(self) -> bytes:
        """Return them as bytes: a line that names the format, the numbers of images and labels, the images' sha256, the
        probabilities, the labels and the decisions as bits, and the CRC-32 of all that.
        """
        count, labels = self._targets.shape
        content = b"".join(
            [
                _MAGIC,
                np.array([count, labels], _COUNT).tobytes(),
                *self._contents,
                self._probabilities.tobytes(),
                np.packbits(self._targets).tobytes(),
                np.packbits(self._predicted).tobytes(),
            ]
        )
        return content + zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")

    @staticmethod
    def wrote(stored: bytes) -> bool:
        """Return whether stored out-of-fold results are those of a multi-label version."""
        return stored.startswith(_MAGIC)

    @classmethod
    def from_bytes(cls, stored: bytes) -> "OutOfFoldLabels":
        """Return what `to_bytes` wrote; raises StoreCorruptError for anything else."""
        content, checksum = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        body = content.removeprefix(_MAGIC)
        if (
            zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") != checksum
            or not content.startswith(_MAGIC)
            or len(body) < 2 * _COUNT.itemsize
        ):
            raise _damaged()
        count, labels = np.frombuffer(body[: 2 * _COUNT.itemsize], _COUNT).tolist()
        bits = -(-count * labels // 8)
        sizes = [2 * _COUNT.itemsize, 32 * count, _PROBABILITY.itemsize * count * labels, bits, bits]
        if len(body) != sum(sizes):
            raise _damaged()
        ends = np.cumsum(sizes)
        shas, numbers, has, said = (body[ends[part] : ends[part + 1]] for part in range(4))
        return cls(
            [shas[32 * row : 32 * row + 32] for row in range(count)],
            _unpack(has, count, labels),
            np.frombuffer(numbers, _PROBABILITY).reshape(count, labels),
            _unpack(said, count, labels),
        )


def _unpack(bits: bytes, count: int, labels: int) -> npt.NDArray[np.bool_]:
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=count * labels)
    return flat.astype(bool).reshape(count, labels)


def _damaged() -> StoreCorruptError:
    return StoreCorruptError("The stored held-out results of this version are damaged; train the model again.")
