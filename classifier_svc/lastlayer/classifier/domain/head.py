"""The head: a multinomial logistic regression on the vectors of one or several taps, and its bytes in the store.

Or, where images may have several labels, one logistic regression for each label.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Features
from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.familiarity import Familiarity
from lastlayer.rpc.vectors import CROP_ALONE, TOLERATED_MEAN_COSINE, View

_MAGIC: Final = b"lastlayer head 1\n"
_CHECKSUM_BYTES: Final = 32
_NUMBER: Final = np.dtype("<f4")


def unit_length(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the rows, float32 [n, d], scaled to Euclidean length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.where(lengths > 0, lengths, 1), dtype=np.float32)


def square_root(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the elements' square roots, float32 [n, d]; what is below 0 becomes 0.

    The inner product of two vectors of unit length becomes the Bhattacharyya coefficient of their shares, in which a
    few strong channels count for less (Arandjelovic and Zisserman, Three things everyone should know to improve object
    retrieval, 2012).
    """
    return np.sqrt(np.maximum(vectors, 0), dtype=np.float32)


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probabilities of logits, float64 [n, c], which sum to 1 in each row; large logits do not overflow."""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: npt.NDArray[np.float64] = exponentials / exponentials.sum(1, keepdims=True)
    return probabilities


def sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probabilities of logits, float64 of any shape, each by itself; large logits do not overflow."""
    probabilities: npt.NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits))
    return probabilities


@dataclass(frozen=True)
class _Header:
    """What the stored bytes say of the arrays that follow."""

    taps: Sequence[str]
    unit_length: bool
    classes: Sequence[str]
    dimension: int
    l1: float
    l2: float
    threshold: float = 0.0
    square_root: bool = False
    directions: int = 0
    max_distance: float = 0.0
    min_mean_cosine: float = TOLERATED_MEAN_COSINE
    views: Sequence[str] = (View.CROP.label,)
    label_thresholds: Sequence[float] | None = None


@dataclass(frozen=True)
class Head:
    """A fitted multinomial logistic regression on d features, for c classes."""

    taps: tuple[str, ...]
    """The taps whose vectors, side by side in this order, are its features."""
    unit_length: bool
    """Whether each tap's vector is scaled to length 1 first."""
    classes: tuple[str, ...]
    """The labels, in the order of the columns of `weights`."""
    weights: npt.NDArray[np.float32]
    """float32 [d, c]."""
    biases: npt.NDArray[np.float32]
    """float32 [c]."""
    l1: float
    """The weight of the L1 penalty that it was fitted with, in ML.NET's terms: l1 / n times the sum of the weights'
    absolute values, for n examples, is added to the mean cross-entropy."""
    l2: float
    """The weight of the L2 penalty in the same terms: l2 / 2n times the sum of the weights' squares is added."""
    threshold: float = 0.0
    """The least probability of the best class with which a prediction is not rejected."""
    square_root: bool = False
    """Whether the elements' square roots are taken, before all else."""
    familiarity: Familiarity | None = None
    """None where nothing is too unlike the training images."""
    min_mean_cosine: float = TOLERATED_MEAN_COSINE
    """How far the features that it takes may be from those in float32: the least mean cosine at each of its taps."""
    views: tuple[View, ...] = CROP_ALONE
    """The views of an image whose vectors' mean it takes at each tap."""
    label_thresholds: tuple[float, ...] | None = None
    """Where images may have several labels: the probability from which on each is predicted, [c]. None where each image
    is of one class."""

    @property
    def multi_label(self) -> bool:
        """Whether each of the `classes` is a label that an image has or has not, by itself."""
        return self.label_thresholds is not None

    def prepare(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return a tap's vectors, float32 [n, d], as the weights take them."""
        rooted = square_root(vectors) if self.square_root else vectors
        return unit_length(rooted) if self.unit_length else rooted

    def probabilities(self, features: Features) -> npt.NDArray[np.float64]:
        """Return the probabilities of the classes, float64 [n, c]; raises KeyError where a tap is missing."""
        return self.score(features)[0]

    def score(self, features: Features) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the probabilities of the classes, float64 [n, c], and the distances from the training images, [n].

        The distances are 0 without `familiarity`. Raises KeyError where a tap is missing.
        """
        probabilities, distances, _ = self.score_with_logits(features)
        return probabilities, distances

    def score_with_logits(
        self, features: Features
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return what `score` does, and the logits, float64 [n, c], of which the probabilities are the softmax, or the
        logistic function where labels are independent.
        """
        return self.score_stacked(self.stack(features))

    def stack(self, features: Features) -> npt.NDArray[np.float32]:
        """Return all taps' vectors as the weights take them, side by side, float32 [n, d]; raises KeyError."""
        return np.hstack([self.prepare(features[tap]) for tap in self.taps])

    def score_stacked(
        self, vectors: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return what `score_with_logits` does, of what `stack` returned."""
        logits = (vectors @ self.weights).astype(np.float64) + self.biases
        distances = self.familiarity.distances(vectors) if self.familiarity else np.zeros(len(vectors))
        return sigmoid(logits) if self.multi_label else softmax(logits), distances, logits

    def is_unfamiliar(self, distance: float) -> bool:
        """Return whether an image at a distance is too unlike the training images."""
        return self.familiarity is not None and distance > self.familiarity.max_distance

    def to_bytes(self) -> bytes:
        """Return the head as bytes.

        A line that names the format, a line of JSON (`taps`, `unit_length`, `classes`, `dimension`, `l1`, `l2`,
        `threshold`, `square_root`, `directions`, `max_distance`, `min_mean_cosine`, `views`, and `label_thresholds`
        where labels are independent), the weights [dimension, classes] and the biases [classes] as float32,
        little-endian, row by row; where `directions` is not 0, the directions [dimension, directions] and the mean
        [dimension] likewise; and the sha256 of all that.
        """
        header = _Header(
            self.taps,
            self.unit_length,
            self.classes,
            len(self.weights),
            self.l1,
            self.l2,
            self.threshold,
            self.square_root,
            self.familiarity.directions.shape[1] if self.familiarity else 0,
            self.familiarity.max_distance if self.familiarity else 0.0,
            self.min_mean_cosine,
            [view.label for view in self.views],
            self.label_thresholds,
        )
        told = {key: value for key, value in asdict(header).items() if value is not None}
        arrays = self.weights.astype(_NUMBER).tobytes() + self.biases.astype(_NUMBER).tobytes()
        if self.familiarity:
            arrays += self.familiarity.directions.astype(_NUMBER).tobytes()
            arrays += self.familiarity.mean.astype(_NUMBER).tobytes()
        content = _MAGIC + json.dumps(told).encode() + b"\n" + arrays
        return content + hashlib.sha256(content).digest()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Head":
        """Return the head that `to_bytes` wrote; raises StoreCorruptError for anything else."""
        content, checksum = stored[:-_CHECKSUM_BYTES], stored[-_CHECKSUM_BYTES:]
        if not content.startswith(_MAGIC) or hashlib.sha256(content).digest() != checksum:
            raise StoreCorruptError("The stored head of this version is damaged; train the model again.")
        line, _, arrays = content.removeprefix(_MAGIC).partition(b"\n")
        try:
            header = _Header(**json.loads(line))
            views = tuple(map(View.parse, header.views))
        except (TypeError, ValueError) as error:
            raise StoreCorruptError("The stored head of this version has an unknown header.") from error
        count = len(header.classes)
        own = (header.dimension + 1) * count
        familiar = header.dimension * (header.directions + 1) if header.directions else 0
        if len(arrays) != (own + familiar) * _NUMBER.itemsize:
            raise StoreCorruptError("The stored head of this version has another size than its header says.")
        values = np.frombuffer(arrays, _NUMBER)
        return cls(
            taps=tuple(header.taps),
            unit_length=header.unit_length,
            classes=tuple(header.classes),
            weights=values[: header.dimension * count].reshape(header.dimension, count),
            biases=values[header.dimension * count : own],
            l1=header.l1,
            l2=header.l2,
            threshold=header.threshold,
            square_root=header.square_root,
            familiarity=_read_familiarity(header, values[own:]) if familiar else None,
            min_mean_cosine=header.min_mean_cosine,
            views=views,
            label_thresholds=None if header.label_thresholds is None else tuple(header.label_thresholds),
        )


def _read_familiarity(header: _Header, values: npt.NDArray[np.float32]) -> Familiarity:
    end = header.dimension * header.directions
    return Familiarity(values[:end].reshape(header.dimension, header.directions), values[end:], header.max_distance)
