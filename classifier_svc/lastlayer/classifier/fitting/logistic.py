"""Fits multinomial logistic regressions with an L2 penalty: one, or many at once on the same features.

A regression minimises the mean cross-entropy of its n examples plus l2 / 2n times the sum of its weights' squares;
biases are not penalised, and every class has weights. With weighted examples, n is the sum of the weights.

In scikit-learn's `LogisticRegression`, C is then 1 / l2 for three classes or more. Two classes have one vector of
weights there, the difference w of ours, which are -w/2 and w/2 at the minimum: the sum of their squares is that of w
halved, so that C is 2 / l2.

The folds of a cross-validation differ only in which examples count. `fit_logistic` computes their products with the
features together, which takes hardly longer than those of one fold. Its method is L-BFGS (Nocedal and Wright, Numerical
Optimization, 2nd edition, algorithm 7.4) with Armijo backtracking, in coordinates in which the curvature is about 1
(`fitting.coordinates`), which makes weak penalties converge in tens of steps rather than hundreds.
`benchmarks/solver.py` compares it with scikit-learn.
"""

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.fitting.coordinates import Coordinates, ScaledColumns
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks

_HISTORY: Final = 10
_MAX_STEPS: Final = 2000
_MAX_HALVINGS: Final = 25

_SCIKIT_LEARN_SIZE: Final = 5_000_000
"""Up to this many examples x features x classes scikit-learn fits a single regression. That is 1,000 examples of five
classes at a tap, and takes it 0.4 s. 4,317 take it 2.4 s, six times as long as ours (`benchmarks/results/solver.txt`),
and it can neither be cancelled nor say how far it is meanwhile."""

_SCIKIT_LEARN_TOLERANCE: Final = 1e-8


def fit_single(
    features: FeatureBlocks,
    y: Indices,
    class_count: int,
    sample_weight: Array,
    l2: float,
    *,
    tolerance: float,
    coordinates: Coordinates | None = None,
    start: Array | None = None,
    callback: Callable[[], None] = lambda: None,
) -> Array:
    """Return the solution of one regression, float64 [r + 1, c]: weights, and in the last row the biases.

    scikit-learn fits it by Newton's method with conjugate gradients (`solver="newton-cg"`) where the features are not
    too many. `fit_logistic`, from there, ends what is not as exact as `tolerance` asks for.

    Arguments are those of `fit_logistic`, `features` [n, r] being float64, `sample_weight` [n], and `start` [r + 1, c],
    which scikit-learn does without. Every class has an example. `callback` is not called while scikit-learn works.
    """
    count, rank = features.shape
    if 0 < count * rank * class_count <= _SCIKIT_LEARN_SIZE:
        callback()
        start = _fit_scikit_learn(features, y, class_count, sample_weight, l2)
    weight = sample_weight[:, None]
    solutions = fit_logistic(
        features,
        y,
        class_count,
        weight,
        l2,
        tolerance=tolerance,
        coordinates=coordinates,
        start=None if start is None else start[:, None],
        callback=callback,
    )
    return solutions[:, 0]


def fit_logistic(
    features: FeatureBlocks,
    y: Indices,
    class_count: int,
    sample_weight: Array,
    l2: float | Array,
    *,
    tolerance: float,
    coordinates: Coordinates | None = None,
    start: Array | None = None,
    callback: Callable[[], None] = lambda: None,
) -> Array:
    """Return the solutions of p regressions, [r + 1, p, c]: weights, and in the last row the biases.

    `features` is [n, r], rotated (see `fitting.pca`) unless `coordinates` are given; solutions have their precision.
    `y` is [n], the classes' indices. `sample_weight`, [n, p], is how much each example counts in each regression, 0 for
    those that are left out. `l2` is the penalty of all regressions, or of each, [p].

    A regression is done once the Euclidean length of its gradient, in the coordinates, is at most `tolerance`. Its
    objective is then about half the square of that above the minimum, as the curvature is about 1. Single precision
    reaches about 1e-3; a regression that gets no further ends, too. `coordinates` are `ScaledColumns` unless given.

    `start`, [r + 1, p, c], is where to begin, such as the solutions for a similar penalty. `callback` is called at
    least once a step, and may raise to end the work.
    """
    if coordinates is None:
        l2_share = float(np.mean(l2) / sample_weight.sum(0).mean())
        coordinates = ScaledColumns(features, class_count, l2_share, callback)
    objective = _Objective(features, y, class_count, sample_weight, l2, coordinates, callback)
    return minimize(objective, coordinates, features.dtype, tolerance=tolerance, start=start)


class Objective(Protocol):
    """The objectives of p regressions, and their gradients, as functions of the coordinates of weights and biases."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """[r + 1, p, c], of what it is a function of."""
        ...

    def __call__(self, point: Array) -> tuple[Array, Array]:
        """Return the objectives, float64 [p], and their gradients, [r + 1, p, c], at a point [r + 1, p, c]."""
        ...


def minimize(
    objective: Objective,
    coordinates: Coordinates,
    precision: np.dtype[Any],
    *,
    tolerance: float,
    start: Array | None = None,
) -> Array:
    """Return the weights at which the objectives of p regressions are least, [r + 1, p, c]; see `fit_logistic`."""
    point = np.zeros(objective.shape, precision)
    if start is not None:
        point = coordinates.to_point(start.astype(precision, copy=False))
    value, gradient = objective(point)
    history: deque[tuple[Array, Array, Array]] = deque(maxlen=_HISTORY)
    gamma = np.ones(len(value))
    stalled = np.zeros(len(value), bool)
    noise = 8 * np.finfo(precision).eps
    for _ in range(_MAX_STEPS):
        active = ~stalled & (np.sqrt(_dot(gradient, gradient)) > tolerance)
        if not active.any():
            break
        direction = -_two_loops(gradient, history, gamma)
        slope = _dot(gradient, direction)
        direction *= active[:, None]
        step = np.ones(len(value))
        for _ in range(_MAX_HALVINGS):
            trial = point + _wide(step, point) * direction
            trial_value, trial_gradient = objective(trial)
            high = active & (trial_value > value + 1e-4 * step * slope + noise * np.abs(value))
            if not high.any():
                break
            step[high] /= 2
        else:
            stalled |= high  # as exact as the precision allows
            trial[:, high], trial_value[high], trial_gradient[:, high] = point[:, high], value[high], gradient[:, high]
        moved, turned = trial - point, trial_gradient - gradient
        curvature, length = _dot(moved, turned), _dot(turned, turned)
        useful = curvature > noise * length
        history.append((moved, turned, np.where(useful, 1 / np.where(useful, curvature, 1), 0)))
        gamma = np.where(useful, curvature / np.where(useful, length, 1), gamma)
        point, value, gradient = trial, trial_value, trial_gradient
    return coordinates.to_weights(point)


def iterate_logits(
    features: FeatureBlocks, solutions: Array, callback: Callable[[], None]
) -> Iterator[tuple[slice, Array]]:
    """Yield the logits of all examples in p regressions, some at a time: which rows, and the logits [rows, p, c].

    `features` is [n, r], `solutions` [r + 1, p, c]. `callback` is called for each yield and may raise to end the work.
    """
    rank, fits, classes = solutions.shape[0] - 1, *solutions.shape[1:]
    weights = solutions[:rank].reshape(rank, fits * classes)
    for rows, block in features.blocks(fits * classes):
        callback()
        logits = (block @ weights).reshape(-1, fits, classes)
        logits += solutions[rank]
        yield rows, logits


def _fit_scikit_learn(features: FeatureBlocks, y: Indices, class_count: int, sample_weight: Array, l2: float) -> Array:
    """Return scikit-learn's solution, float64 [r + 1, c]."""
    from sklearn.linear_model import LogisticRegression

    strength = (2 if class_count == 2 else 1) / l2
    model = LogisticRegression(C=strength, solver="newton-cg", tol=_SCIKIT_LEARN_TOLERANCE, max_iter=_MAX_STEPS)
    values = np.concatenate([block for _, block in features.blocks(class_count)])
    with warnings.catch_warnings():
        # It warns of many classes with few examples, and where rounding ends the search for a step. What is left to do
        # is done by `fit_logistic`.
        warnings.simplefilter("ignore")
        model.fit(values, y, sample_weight=sample_weight)
    solution: Array = np.vstack([model.coef_.T, model.intercept_])
    return solution if class_count > 2 else solution * np.array([-0.5, 0.5])


class _Objective:
    """The objectives of p regressions, and their gradients, as functions of the coordinates of weights and biases."""

    def __init__(
        self,
        features: FeatureBlocks,
        y: Indices,
        class_count: int,
        sample_weight: Array,
        l2: float | Array,
        coordinates: Coordinates,
        callback: Callable[[], None],
    ) -> None:
        total = sample_weight.sum(0)
        self.shape = (features.shape[1] + 1, sample_weight.shape[1], class_count)
        """[r + 1, p, c], of what it is a function of."""
        self._features = features
        self._y = y
        self._coordinates = coordinates
        self._callback = callback
        self._share = (sample_weight / total).astype(features.dtype)
        self._penalty = (l2 / total).astype(features.dtype)[:, None]

    def __call__(self, point: Array) -> tuple[Array, Array]:
        """Return the objectives, float64 [p], and their gradients, [r + 1, p, c], at a point [r + 1, p, c]."""
        rank, fits, classes = self.shape[0] - 1, *self.shape[1:]
        weights = self._coordinates.to_weights(point)
        losses, bias_slopes, weight_slopes = np.zeros(fits), np.zeros((fits, classes)), np.zeros((fits * classes, rank))
        flat = weights[:rank].reshape(rank, fits * classes)
        # What is computed for an example is used while it is at hand: its features are read once.
        for rows, block in self._features.blocks(fits * classes):
            self._callback()
            y, share = self._y[rows], self._share[rows]
            examples = np.arange(len(y))
            logits = (block @ flat).reshape(-1, fits, classes)
            logits += weights[rank]
            logits -= logits.max(2, keepdims=True)
            y_logits = logits[examples, :, y]
            residuals = np.exp(logits, out=logits)
            sums = residuals.sum(2)
            losses += np.einsum("np,np->p", np.log(sums) - y_logits, share, dtype=np.float64)
            residuals *= (share / sums)[:, :, None]
            residuals[examples, :, y] -= share
            # This way round BLAS reads the features as they lie. Beside `block.T @ residuals` that takes half the time
            # for one regression of five classes, in double precision, and nine tenths for five, in single.
            weight_slopes += residuals.reshape(len(residuals), -1).T @ block
            bias_slopes += residuals.sum(0)
        gradient = np.empty(self.shape, point.dtype)
        gradient[:rank] = weight_slopes.T.reshape(rank, fits, classes)
        gradient[rank] = bias_slopes
        penalised = self._penalty * weights[:rank]
        losses += _dot(penalised, weights[:rank]) / 2
        gradient[:rank] += penalised
        return losses, self._coordinates.to_gradient(gradient)


def _two_loops(gradient: Array, history: deque[tuple[Array, Array, Array]], gamma: Array) -> Array:
    """Return the approximate inverse Hessian times the gradient, [r + 1, p, c], each regression by itself."""
    result = gradient.copy()
    shares = []
    for moved, turned, inverse in reversed(history):
        share = inverse * _dot(moved, result)
        shares.append(share)
        result -= _wide(share, result) * turned
    result *= _wide(gamma, result)
    for (moved, turned, inverse), share in zip(history, reversed(shares), strict=True):
        result += _wide(share - inverse * _dot(turned, result), result) * moved
    return result


def _dot(left: Array, right: Array) -> Array:
    """Return the inner products of the regressions' [r, p, c], float64 [p]."""
    products: Array = np.einsum("rpc,rpc->p", left, right).astype(np.float64)
    return products


def _wide(numbers: Array, like: Array) -> Array:
    """Return a number for each regression, [p], in the shape and precision in which it scales [r, p, c]."""
    wide: Array = numbers.astype(like.dtype)[:, None]
    return wide
