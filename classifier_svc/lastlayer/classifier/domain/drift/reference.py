"""What a version keeps of its training images to tell drift, and its bytes in the store: some kilobytes."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.drift.signals import (
    Kind,
    Sample,
    Scale,
    Signal,
    list_signals,
    measure_features,
    measure_scores,
    project,
)
from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.head import Head

_Floats = npt.NDArray[np.float32]
_Counts = npt.NDArray[np.int32]

BLOCK: Final = 50
"""After how many images they are compared, each time."""

WINDOWS: Final = (1, 2, 4, 9)
"""How many blocks are compared, the newest: 50 images show a great change, 450 a small one."""

FALSE_ALARMS_PER_MILLION: Final = 0.5
"""How many false alarms there are at most, on average, in a million images."""

LEAST_EXAMPLES: Final = 20
"""With fewer training images nothing can be told."""

_MAGIC: Final = b"lastlayer drift 1\n"
_CHECKSUM_BYTES: Final = 4


@dataclass(frozen=True)
class Limits:
    """How many of a window's images may lie below each cut: fewer or more is drift."""

    shares: npt.NDArray[np.float64]
    """float64 [c], the share of images that is expected below each cut."""
    least: _Counts
    """int32 [w, c]: with that many images or fewer it is drift; -1 where it never is."""
    most: _Counts
    """int32 [w, c]: with that many images or more it is drift; more than there are where it never is."""


@dataclass(frozen=True)
class DriftReference:
    """How the signals of the training images are distributed."""

    count: int
    """The number of training images that it is of."""
    held_out_count: int
    """The number of those that have out-of-fold predictions."""
    signals: tuple[Signal, ...]
    """Those that are compared; none where the images are too few."""
    scale: Scale
    cuts: _Floats
    """float32 [s, c]: the values of the signals that some shares of the training images are below."""
    limits: Mapping[Sample, Limits]
    """By the training images that signals are known by."""
    unknown_share: float
    """The share of the training images that is rejected, out of fold."""

    @property
    def rejects(self) -> bool:
        """Whether what is rejected is compared."""
        return Signal(Kind.UNKNOWN) in self.signals

    def measure(
        self,
        head: Head,
        by_tap: Mapping[str, _Floats],
        vectors: _Floats,
        probabilities: npt.NDArray[np.float64],
        distances: npt.NDArray[np.float64],
    ) -> _Floats:
        """Return the signals of n images, float32 [n, s], in the order of `signals`.

        `by_tap` are the vectors of the network, float32 [n, d] each, `vectors`, float32 [n, d], those that the head
        takes, and `probabilities`, float64 [n, c], and `distances`, float64 [n], what it makes of them.
        """
        projections = project(vectors)
        features = measure_features(by_tap, head.taps, projections, self.scale.distances(projections))
        if self.signals[0].kind is not Kind.SCORE:  # nothing was validated
            return features
        rejected = find_rejected(head, probabilities, distances)
        return np.hstack([measure_scores(probabilities, rejected, rejects=self.rejects), features])

    def to_bytes(self) -> bytes:
        """Return it as bytes: a line that names the format, one of JSON, arrays, and the CRC-32 of all that."""
        header = {
            "count": self.count,
            "held_out_count": self.held_out_count,
            "signals": [[signal.kind.value, signal.name] for signal in self.signals],
            "directions": len(self.scale.mean),
            "cuts": self.cuts.shape[1],
            "limits": [sample.value for sample in self.limits],
            "unknown_share": self.unknown_share,
        }
        arrays = [self.scale.mean, self.scale.deviation, self.cuts]
        packed = b"".join(array.astype("<f4").tobytes() for array in arrays)
        for limits in self.limits.values():
            packed += limits.shares.astype("<f8").tobytes()
            packed += limits.least.astype("<i4").tobytes() + limits.most.astype("<i4").tobytes()
        content = _MAGIC + json.dumps(header).encode() + b"\n" + packed
        return content + zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")

    @classmethod
    def from_bytes(cls, stored: bytes) -> "DriftReference":
        """Return what `to_bytes` wrote; raises StoreCorruptError for anything else."""
        content, checksum = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        sound = zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") == checksum
        if not sound or not content.startswith(_MAGIC):
            raise StoreCorruptError("What is stored of the training images of this version is damaged; train it again.")
        line, _, arrays = content.removeprefix(_MAGIC).partition(b"\n")
        try:
            header = json.loads(line)
            signals = tuple(Signal(Kind(kind), name) for kind, name in header["signals"])
            reader = _Reader(arrays)
            scale = Scale(*(reader.take("<f4", header["directions"]) for _ in range(2)))
            cuts = reader.take("<f4", len(signals), header["cuts"])
            windows = len(WINDOWS), header["cuts"]
            limits = {
                Sample(sample): Limits(
                    reader.take("<f8", header["cuts"]), reader.take("<i4", *windows), reader.take("<i4", *windows)
                )
                for sample in header["limits"]
            }
            return cls(header["count"], header["held_out_count"], signals, scale, cuts, limits, header["unknown_share"])
        except (KeyError, TypeError, ValueError) as error:
            raise StoreCorruptError("What is stored to tell the drift of this version has an unknown form.") from error


class _Reader:
    """Takes arrays out of bytes, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._begin = 0

    def take(self, kind: str, *shape: int) -> npt.NDArray[Any]:
        """Return the next array; raises ValueError where there are too few bytes."""
        values = np.frombuffer(self._content, kind, int(np.prod(shape)), self._begin)
        self._begin += values.nbytes
        return values.reshape(shape)


def find_rejected(
    head: Head, probabilities: npt.NDArray[np.float64], distances: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return which images a head rejects by its own rules, bool [n]; of `probabilities` [n, c] and `distances` [n]."""
    rejected: npt.NDArray[np.bool_] = probabilities.max(1) < head.threshold
    if head.familiarity is not None:
        rejected |= distances > head.familiarity.max_distance
    return rejected


def signals_of(taps: Sequence[str], *, validated: bool, rejects: bool) -> tuple[Signal, ...]:
    """Return the signals that a reference has, where training images were `validated` and the head `rejects` some."""
    found = list_signals(taps, rejects=rejects)
    return found if validated else tuple(signal for signal in found if signal.kind.sample is not Sample.HELD_OUT)
