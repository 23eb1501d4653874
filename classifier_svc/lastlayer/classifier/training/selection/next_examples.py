"""Chooses which images of a pool to label next, and guesses what they are of."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Features, Indices
from lastlayer.classifier.domain.head import Head, square_root, unit_length
from lastlayer.classifier.fitting.folds import stratified_sample
from lastlayer.classifier.fitting.threads import one_thread
from lastlayer.classifier.training.progress import TrainingCancelledError
from lastlayer.classifier.training.recipes import SEED, Recipe, TapFeatures
from lastlayer.classifier.training.selection.copies import Copies
from lastlayer.classifier.training.selection.herding import Herd, Images
from lastlayer.classifier.training.trainer import train

MOST_POOL: Final = 10_000
"""The most images of a pool to choose from at once: their features at all taps of GoogLeNet are 135 MB."""

MOST_LABELLED: Final = 5_000
"""The most labelled examples to look at."""

_MOST_COVERED: Final = 2_000
"""The most images that are to be covered, see `Herd`: a matrix of 80 MB with `MOST_POOL` of them."""

_BLOCK: Final = 1024
"""How many images to predict at once, which bounds the memory."""

_DEEPEST: Final = 2
"""How many taps, the deepest ones, the first kernel is of; the second is of all."""

_REACHES: Final = (1.0, 0.5)
"""How far the two kernels reach, see `Herd`."""

_Floats = npt.NDArray[np.float32]

_MOST_FITTED: Final = 1_000
"""The most labelled examples that the head is fitted on, which takes 2 s."""


class Strategy(enum.Enum):
    """By what images are chosen."""

    TYPICAL = "typical"
    """Those that many others resemble, which no label covers yet."""
    UNCERTAIN = "uncertain"
    """Those that many others resemble of which the head does not know whether they are of one class or the other."""


@dataclass(frozen=True)
class Suggestion:
    """Images to label next."""

    rows: Indices
    """[k], which images of the pool, the most useful first."""
    strategy: Strategy
    classes: tuple[str, ...]
    """The classes of the guesses, in order of first appearance in the labels; none where there are fewer than two."""
    probabilities: npt.NDArray[np.float64]
    """float64 [k, c], of each class by a head that was fitted on the labels of the moment; calibrated."""


def sample_pool(count: int, labelled_count: int) -> Indices:
    """Return which of `count` images of a pool to choose from, sorted; all, or `MOST_POOL` of them.

    The sample is the same each time, and another one once there are more labels.

    >>> sample_pool(3, labelled_count=0)
    array([0, 1, 2])
    """
    if count <= MOST_POOL:
        return np.arange(count)
    return np.sort(np.random.default_rng([SEED, labelled_count]).choice(count, MOST_POOL, replace=False))


def sample_labelled(labels: Sequence[str]) -> Indices:
    """Return which of the labelled examples to look at, sorted; all, or about `MOST_LABELLED` of them by class."""
    if len(labels) <= MOST_LABELLED:
        return np.arange(len(labels))
    return stratified_sample(_number(labels, labels), MOST_LABELLED, SEED)


def choose_next(
    pool: Features,
    labelled: Features,
    labels: Sequence[str],
    count: int,
    cancelled: Callable[[], bool] = lambda: False,
) -> Suggestion:
    """Return at most `count` images of a pool to label next, the most useful first.

    `pool` has the features of n images without a label by tap, from the shallowest to the deepest, float32 [n, d] each;
    `labelled` those of the examples with `labels`, at the same taps; it may be empty where there are none. Never two of
    the images are near duplicates of each other, nor one of an example. The same arguments give the same images. The
    work grows with n, which `sample_pool` bounds, and with the examples, which `sample_labelled` bounds.

    Raises ValueError where a number is not finite, and TrainingCancelledError where it is `cancelled`.
    """
    taps = list(pool)
    labelled = {tap: labelled[tap] if labels else np.zeros((0, pool[tap].shape[1]), np.float32) for tap in taps}
    for name in taps:
        if not (np.isfinite(pool[name]).all() and np.isfinite(labelled[name]).all()):
            raise ValueError(f"The features at the tap `{name}` have numbers that are not finite.")
    with one_thread():
        return _choose(pool, labelled, labels, count, cancelled)


def _choose(
    pool: Features, labelled: Features, labels: Sequence[str], count: int, cancelled: Callable[[], bool]
) -> Suggestion:
    deepest = list(pool)[-1]
    total = len(pool[deepest])
    copies = Copies(pool[deepest])
    allowed = ~copies.of(labelled[deepest])
    head = _fit(labelled, labels, cancelled)
    rows: list[int] = []
    if count and allowed.any():
        covered = np.unique(np.linspace(0, total - 1, min(total, _MOST_COVERED)).astype(np.intp))
        images, examples = _resemblance(pool, labelled)
        beliefs, known = np.ones((total, 1), np.float32), np.ones((len(labels), 1), np.float32)
        uncertainties = np.ones(total)
        if head is not None:
            probabilities = _predict(head, pool, np.arange(total))
            beliefs = unit_length(probabilities.astype(np.float32))
            known = np.eye(len(head.classes), dtype=np.float32)[_number(labels, head.classes)]
            uncertainties = 1 - probabilities.max(1)
        herd = Herd(Images(images, beliefs), Images(examples, known), covered, _REACHES)
        herd.weigh(uncertainties[covered])
        while len(rows) < count and allowed.any():
            if cancelled():
                raise TrainingCancelledError
            rows.append(herd.choose(allowed))
            allowed &= ~copies.of_own(rows[-1])
    chosen = np.array(rows, np.intp)
    if head is None:
        return Suggestion(chosen, Strategy.TYPICAL, (), np.zeros((len(chosen), 0)))
    return Suggestion(chosen, Strategy.UNCERTAIN, head.classes, _predict(head, pool, chosen))


def _fit(labelled: Features, labels: Sequence[str], cancelled: Callable[[], bool]) -> Head | None:
    """Return a head of the recipe `auto`; None where there are fewer than two classes."""
    if len(set(labels)) < 2:
        return None
    rows = np.arange(len(labels))
    if len(labels) > _MOST_FITTED:
        rows = stratified_sample(_number(labels, labels), _MOST_FITTED, SEED)
    return train(
        [TapFeatures(name, False, values[rows]) for name, values in labelled.items()],
        [labels[int(row)] for row in rows],
        Recipe.AUTO,
        progress=lambda _message, _share: None,
        cancelled=cancelled,
    ).head


def _predict(head: Head, pool: Features, rows: Indices) -> npt.NDArray[np.float64]:
    """Return the probabilities of some images of a pool, float64 [rows, c], with few of their features copied."""
    parts = [
        head.probabilities({tap: pool[tap][rows[start : start + _BLOCK]] for tap in head.taps})
        for start in range(0, len(rows), _BLOCK)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(head.classes)))


def _number(labels: Sequence[str], classes: Sequence[str]) -> Indices:
    """Return the place of each label's class, [n], among classes, some of which may be named again."""
    index = {label: number for number, label in enumerate(dict.fromkeys(classes))}
    return np.fromiter((index[label] for label in labels), np.intp, len(labels))


def _resemblance(pool: Features, labelled: Features) -> tuple[tuple[_Floats, ...], tuple[_Floats, ...]]:
    """Return the vectors, of unit length, by which images of the pool and examples resemble each other: for each of the
    two kernels float32 [n, d] and [l, d].

    The deepest taps are taken around their mean: else images near it, which show hardly anything, would count as the
    most typical ones.
    """
    ends = np.cumsum([values.shape[1] for values in pool.values()])
    count = len(next(iter(pool.values())))
    everything = np.empty((count + len(next(iter(labelled.values()))), ends[-1]), np.float32)
    deep = []
    for place, (tap, end) in enumerate(zip(pool, ends, strict=True)):
        vectors = np.concatenate([pool[tap], labelled[tap]])
        vectors = unit_length(square_root(vectors) if vectors.min() >= 0 else vectors)
        everything[:, end - vectors.shape[1] : end] = vectors
        if place >= len(ends) - _DEEPEST:
            deep.append(unit_length(vectors - vectors.mean(0)))
    # Each part is of unit length, or all zeros.
    everything /= np.float32(np.sqrt(len(ends)))
    kernels = (np.hstack(deep) / np.float32(np.sqrt(len(deep))), everything)
    return tuple(vectors[:count] for vectors in kernels), tuple(vectors[count:] for vectors in kernels)
