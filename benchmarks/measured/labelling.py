"""Labels a pool in batches and says how good a model is after each: for `benchmarks.heads.label_next`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.selection.next_examples import choose_next
from lastlayer.classifier.training.trainer import train

_UNKNOWN: Final = 0.01
"""The share of probability that all classes have alike: else a class without a label would cost without end."""


@dataclass(frozen=True)
class LabelledSet:
    """Images with what they are of."""

    name: str
    labels: npt.NDArray[np.str_]
    features: Mapping[str, npt.NDArray[np.float32]]
    """By tap, from the shallowest to the deepest: float32 [n, d]."""

    def only(self, rows: Indices) -> "LabelledSet":
        """Return some of the images."""
        return LabelledSet(self.name, self.labels[rows], {tap: values[rows] for tap, values in self.features.items()})

    def thinned(self, imbalance: float) -> "LabelledSet":
        """Return fewer images, the frequencies of the classes falling evenly to one `imbalance`-th, ten at least."""
        random = np.random.default_rng(1)
        classes = random.permutation(np.unique(self.labels))
        largest = max(int((self.labels == label).sum()) for label in classes)
        rows = []
        for place, label in enumerate(classes):
            of_class = random.permutation(np.flatnonzero(self.labels == label))
            rows.append(of_class[: max(10, round(largest * imbalance ** (-place / (len(classes) - 1))))])
        thinned = self.only(np.sort(np.concatenate(rows)))
        return LabelledSet(f"{self.name}, classes up to {imbalance:g} times rarer", thinned.labels, thinned.features)


@dataclass
class Labelling:
    """A pool of which some images have labels so far."""

    pool: LabelledSet
    random: np.random.Generator
    rows: list[int]
    """Those with labels."""

    @property
    def rest(self) -> Indices:
        """The images without a label."""
        return np.setdiff1d(np.arange(len(self.pool.labels)), self.rows)

    def fit(self) -> Head | None:
        """Return the head that users would get; None where there is one class."""
        labelled = self.pool.only(np.array(self.rows, np.intp))
        if len(set(labelled.labels)) < 2:
            return None
        return train(
            [TapFeatures(tap, False, values) for tap, values in labelled.features.items()],
            list(labelled.labels),
            Recipe.AUTO,
            progress=lambda _message, _share: None,
            cancelled=lambda: False,
        ).head


Strategy = Callable[[Labelling, int], Indices]
"""Returns which images without a label get one next."""


def follow(
    strategy: Strategy, images: LabelledSet, draw: int, sizes: Sequence[int], copies: int, moved: float
) -> npt.NDArray[np.float64]:
    """Return accuracy, balanced accuracy and log-loss on the rest after so many labels each, float64 [sizes, 3]."""
    random = np.random.default_rng(draw)
    order = random.permutation(len(images.labels))
    half = len(order) // 2
    pool, rest = order[:half], images.only(order[half:])
    # Copies take the place of other images: the pool stays as large as it was.
    pool = np.repeat(pool[: half // copies], copies)
    own = images.only(pool)
    if copies > 1:
        factors = {
            tap: np.exp(moved * random.standard_normal(values.shape)).astype(np.float32)
            for tap, values in own.features.items()
        }
        own = LabelledSet(own.name, own.labels, {tap: own.features[tap] * factors[tap] for tap in own.features})
    labelling = Labelling(own, random, [])
    measured = []
    for size in sizes:
        labelling.rows += map(int, strategy(labelling, size - len(labelling.rows)))
        measured.append(_measure(labelling, rest))
    return np.array(measured)


def _measure(labelling: Labelling, rest: LabelledSet) -> tuple[float, float, float]:
    head = labelling.fit()
    classes = np.unique(np.concatenate([labelling.pool.labels, rest.labels]))
    probabilities: Array = np.zeros((len(rest.labels), len(classes)))
    if head is None:
        probabilities[:, np.searchsorted(classes, labelling.pool.labels[labelling.rows[0]])] = 1
    else:
        probabilities[:, np.searchsorted(classes, head.classes)] = head.probabilities(rest.features)
    y = np.searchsorted(classes, rest.labels)
    correct = probabilities.argmax(1) == y
    own = (1 - _UNKNOWN) * probabilities[np.arange(len(y)), y] + _UNKNOWN / len(classes)
    balanced = np.mean([correct[y == number].mean() for number in np.unique(y)])
    return float(correct.mean()), float(balanced), float(-np.log(own).mean())


def _random(labelling: Labelling, count: int) -> Indices:
    return labelling.random.permutation(labelling.rest)[:count]


def _margin(labelling: Labelling, count: int) -> Indices:
    head = labelling.fit() if labelling.rows else None
    if head is None:
        return _random(labelling, count)
    rest = labelling.rest
    best = np.sort(head.probabilities(labelling.pool.only(rest).features), axis=1)
    chosen: Indices = rest[np.argsort(best[:, -1] - best[:, -2], kind="stable")[:count]]
    return chosen


def _next(labelling: Labelling, count: int) -> Indices:
    return _suggest(labelling, list(labelling.pool.labels[labelling.rows]), count)


def _typical(labelling: Labelling, count: int) -> Indices:
    return _suggest(labelling, ["any"] * len(labelling.rows), count)


def _suggest(labelling: Labelling, labels: Sequence[str], count: int) -> Indices:
    rest = labelling.rest
    pool, labelled = labelling.pool.only(rest), labelling.pool.only(np.array(labelling.rows, np.intp))
    chosen = rest[choose_next(pool.features, labelled.features, labels, count).rows]
    # Where all others are near duplicates.
    more = labelling.random.permutation(np.setdiff1d(rest, chosen))[: count - len(chosen)]
    return np.append(chosen, more)


STRATEGIES: Final[Mapping[str, Strategy]] = {
    "random": _random,
    "margin": _margin,
    "typical": _typical,
    "next": _next,
}
