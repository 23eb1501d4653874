"""Trains on more examples than fit into memory: the penalty is chosen on a sample of them, and all others are fitted.

The examples' features are read once more for that, some at a time, and kept in the sample's principal directions in
half precision: a number then takes 2 bytes instead of 4, and there are fewer of them. A part of the sample is held out
of that fit. By it the head is calibrated, and what it is expected to do is estimated.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.domain.head import square_root, unit_length
from lastlayer.classifier.fitting.coordinates import Coordinates, Decorrelated, pays_decorrelating
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.folds import assign_folds, choose_fold_count, stratified_sample
from lastlayer.classifier.fitting.logistic import fit_logistic, iterate_logits
from lastlayer.classifier.fitting.pca import Rotated, keep_largest
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import SEED, Validation
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.cross_validation import MANY_LOGITS
from lastlayer.rpc.vectors import View

MOST_NUMBERS: Final = 400_000_000
"""The most features of all examples together that are held as they are, 1.6 GB: 118,000 examples at all of GoogLeNet's
taps. Of more examples a sample decides."""

SAMPLE_EXAMPLES: Final = 40_000
"""The most examples that a sample has. The best penalty hardly depends on their number."""

_SAMPLE_LOGITS: Final = int(0.9 * MANY_LOGITS)
"""The most examples x classes that a sample has: of more, penalties are compared on `SEARCH_EXAMPLES` alone. That chose
one ten times too weak for 120,000 made-up examples, and cost 0.07 of log-loss."""

_LEAST_SAMPLE: Final = 5_000

_HELD_OUT: Final = 20_000
"""The most examples that are held out of the fit. The standard error of an accuracy that they estimate is at most 0.4
points, that of a log-loss hardly more than 0.005."""

_HELD_OUT_SHARE: Final = 0.05
"""The most of all examples that are held out: others are missed where there are fewer."""

_MOST_KEPT: Final = 2_000_000_000
"""The most numbers that are kept of all examples, 4 GB."""

_LEAST_RANK: Final = 256
"""In fewer directions a fit would lose more than it gains by its many examples."""

_STEP: Final = 10.0**0.5
_MOST_STEPS: Final = 3
_GAIN: Final = 0.001
"""How much lower the log-loss of what is held out must be for the next penalty to be taken."""

_MOST_PRODUCTS: Final = 20_000_000_000
"""About the most examples x directions x classes: a step of the fit then takes seconds."""

_TOLERANCE: Final = 1e-3
"""What single precision reaches (see `fit_logistic`)."""


@dataclass(frozen=True)
class StoredExamples:
    """All examples of a training whose choices are made on a sample."""

    labels: Sequence[str]
    """[n], the classes' names."""
    sample: Indices
    """[m], which of them are the sample, sorted."""
    read: Callable[[str, View], Iterator[npt.NDArray[np.float32]]]
    """Yields the features of all examples at a tap of a view, in their order, some at a time: float32 [k, d]. How many
    at a time is the same for all taps and views."""


@dataclass(frozen=True)
class Everything:
    """The same, with numbers for the classes."""

    y: Indices
    """[n], the classes' indices."""
    sample_weight: Array
    """float64 [n]; 1 on average."""
    sample: Indices
    """See `StoredExamples`."""
    read: Callable[[str, View], Iterator[npt.NDArray[np.float32]]]
    """See `StoredExamples`."""


def choose_sample(labels: Sequence[str], dimension: int) -> Indices | None:
    """Return which of n examples all is chosen on, sorted; None where they are few enough for all to be.

    `dimension` is the number of elements that each has at all taps. Raises DatasetNotTrainableError where they are more
    than can be trained on.
    """
    count = len(labels)
    if count * dimension <= MOST_NUMBERS:
        return None
    most = _MOST_KEPT // _LEAST_RANK
    if count > most:
        raise DatasetNotTrainableError(
            f"The dataset has {count:,} examples, which need {2 * _LEAST_RANK * count / 1e9:.1f} GB of memory to train "
            f"on ({_LEAST_RANK} numbers of 2 bytes each); up to {most:,} are trained on: train on a part of them."
        )
    index = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    y = np.fromiter((index[label] for label in labels), np.intp, count)
    by_classes = max(_LEAST_SAMPLE, _SAMPLE_LOGITS // len(index))
    return stratified_sample(y, min(SAMPLE_EXAMPLES, by_classes, MOST_NUMBERS // (2 * dimension)), SEED)


@dataclass(frozen=True)
class FittedEverything:
    """A regression on all examples but some of the sample."""

    l2: float
    """The penalty that was the best on those."""
    weights: Array
    """float64 [d, c], on the features themselves."""
    biases: Array
    """float64 [c]."""
    held_out: Validation
    """The logits of the sample's examples that were left out; the folds are for the calibration alone."""


def fit_everything(
    candidate: Candidate,
    y: Indices,
    everything: Everything,
    class_count: int,
    sample_weight: Array,
    l2: float,
    *,
    rooted: bool,
    progress: TrainingProgress,
) -> FittedEverything:
    """Fit a regression on all examples but some of the sample, which it is validated by.

    `candidate` has the features of the sample, whose classes are `y`, weighted by `sample_weight`. The fit begins at
    the solution on the sample, with its penalty `l2`. Features are roots where they are `rooted`. It is the second half
    of all that `progress` tells of.
    """
    count = len(everything.y)
    rank = min(_MOST_KEPT // count, max(_LEAST_RANK, _MOST_PRODUCTS // (count * class_count)))
    reduced = Candidate(candidate.taps, tuple(keep_largest(candidate.parts, rank)), candidate.views)
    held_out = stratified_sample(y, min(_HELD_OUT, int(_HELD_OUT_SHARE * count), len(y) // 2), SEED)
    of_sample = reduced.values(slice(None), np.float32)

    def coordinates(weights: Array) -> Coordinates | None:
        """Those by the sample, as good for all."""
        if not pays_decorrelating(len(reduced.parts), *of_sample.shape):
            return None
        return Decorrelated(of_sample, class_count, l2 / float(weights.sum()), progress)

    start = fit_logistic(
        of_sample,
        y,
        class_count,
        _leave_out(sample_weight, held_out),
        l2,
        tolerance=_TOLERANCE,
        coordinates=coordinates(sample_weight),
        callback=progress,
    )
    progress.stage(f"reading all {count:,} examples", 0.5, 0.75)
    parts = _read(reduced, everything, rooted, progress)
    progress.stage(f"fitting all {count:,} examples", 0.75, 1)
    features = FeatureBlocks(parts, np.float32)
    fitted_weight = _leave_out(everything.sample_weight, everything.sample[held_out])
    of_held_out = reduced.values(held_out, np.float32)
    of_everything = coordinates(everything.sample_weight)

    def fit(penalty: float, start: Array) -> _Attempt:
        solution = fit_logistic(
            features,
            everything.y,
            class_count,
            fitted_weight,
            penalty,
            tolerance=_TOLERANCE,
            coordinates=of_everything,
            start=start,
            callback=progress,
        )
        blocks = [block[:, 0] for _, block in iterate_logits(of_held_out, solution, progress)]
        logits = np.concatenate(blocks).astype(np.float64)
        losses = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
        losses -= logits[np.arange(len(held_out)), y[held_out]]
        return _Attempt(penalty, solution, logits, float(np.average(losses, weights=sample_weight[held_out])))

    best = _improve(fit(l2, start), fit)
    folds = assign_folds(y[held_out], choose_fold_count(y[held_out]), SEED)
    validated = folds >= 0
    weights, biases = reduced.restore(best.solution[:, 0])
    return FittedEverything(
        best.l2, weights, biases, Validation(held_out[validated], best.logits[validated], folds[validated])
    )


class _Attempt(NamedTuple):
    """A regression on all examples but those that are held out."""

    l2: float
    solution: Array
    logits: Array
    """float64 [held out, c]."""
    loss: float
    """The mean log-loss of those that were held out."""


def _improve(first: _Attempt, fit: Callable[[float, Array], _Attempt]) -> _Attempt:
    """Return the best of a regression and those with stronger penalties, or weaker ones, as long as each is better.

    The more examples, the stronger is the best penalty where the features have much noise: with 30,000 made-up examples
    that of a sample of 9,000 was 3 times too weak. A fit takes little time from the solution for the penalty beside it.
    """
    best = first
    for step in (_STEP, 1 / _STEP):
        for _ in range(_MOST_STEPS):
            attempt = fit(best.l2 * step, best.solution)
            if attempt.loss > best.loss - _GAIN:
                break
            best = attempt
        if best is not first:
            break
    return best


def _leave_out(sample_weight: Array, rows: Indices) -> Array:
    """Return the weights [n, 1] without those of some examples."""
    weights = sample_weight.copy()
    weights[rows] = 0
    return weights[:, None]


def _read(candidate: Candidate, everything: Everything, rooted: bool, progress: TrainingProgress) -> list[Array]:
    """Return the features of all examples in the directions of a candidate's parts, float16 [n, r] each."""
    count = len(everything.y)
    kept = [np.zeros((count, part.directions.shape[1]), np.float16) for part in candidate.parts]
    begin = 0  # of the tap's columns, where all taps are side by side
    for number, tap in enumerate(candidate.taps):
        row = dimension = 0
        of_views = [everything.read(tap, view) for view in candidate.views]
        for blocks in zip(*of_views, strict=True):
            vectors: npt.NDArray[np.float32] = (
                blocks[0] if len(blocks) == 1 else np.mean(blocks, axis=0, dtype=np.float32)
            )
            prepared = unit_length(square_root(vectors) if rooted else vectors)
            rows, dimension = slice(row, row + len(vectors)), vectors.shape[1]
            first = 0  # of the part's columns
            for part, values in zip(candidate.parts, kept, strict=True):
                start, stop = max(first, begin), min(first + len(part.mean), begin + dimension)
                if start < stop:
                    values[rows] += _rotate(prepared[:, start - begin : stop - begin], part, start - first)
                first += len(part.mean)
            row = rows.stop
            progress()
            progress.tell((number + row / count) / len(candidate.taps))
        begin += dimension
    return kept


def _rotate(features: npt.NDArray[np.float32], part: Rotated, first: int) -> Array:
    """Return what features [k, d], which are the columns of a part from `first` on, add to its values: [k, r]."""
    columns = slice(first, first + features.shape[1])
    mean, directions = part.mean[columns].astype(np.float32), part.directions[columns].astype(np.float32, copy=False)
    return (features - mean) @ directions
