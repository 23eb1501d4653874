"""Fits many multinomial logistic regressions with an L2 penalty at once, on the same features.

The folds of a cross-validation differ only in which examples count, so their products with the features are computed
together, which takes hardly longer than for one fold alone. Each regression minimises the mean cross-entropy of its
n examples plus l2 / 2n times the sum of its weights' squares; biases are free, and every class has weights.

The method is L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4) with Armijo backtracking, in
coordinates in which the curvature is about 1 in every direction (the features being rotated into their principal
directions), which makes weak penalties converge in tens of steps rather than hundreds.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.fitting.feature_blocks import Columns

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.intp]

_HISTORY: Final = 10
_MAX_STEPS: Final = 2000
_MAX_HALVINGS: Final = 25


def fit_ridge(
    values: Columns,
    truth: Indices,
    class_count: int,
    counted: Array,
    l2: float,
    *,
    tolerance: float,
    start: Array | None = None,
    pulse: Callable[[], None] = lambda: None,
) -> Array:
    """Return the solutions of p regressions, [r + 1, p, c]: weights, and in the last row the biases.

    `values` is [n, r], rotated features, whose precision is that of the result; `truth` [n] the classes' indices;
    `counted` [n, p] how much each example counts in each regression, 0 for those held out. The expected excess of the
    objective is half the square of `tolerance` (single precision reaches about 1e-3). `start` is where to begin, such
    as the solutions for a neighbouring penalty. `pulse` is called at least once a step and may raise to end the work.
    """
    objective = _Objective(values, truth, class_count, counted, l2, pulse)
    scale = objective.scale
    point = np.zeros(objective.shape, values.dtype) if start is None else (start / scale).astype(values.dtype)
    value, gradient = objective(point)
    history: deque[tuple[Array, Array, Array]] = deque(maxlen=_HISTORY)
    gamma = np.ones(len(value))
    stalled = np.zeros(len(value), bool)
    noise = 8 * np.finfo(values.dtype).eps
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
    solutions: Array = point * scale
    return solutions


def scored(values: Columns, solutions: Array, pulse: Callable[[], None]) -> Iterator[tuple[slice, Array]]:
    """Yield what regressions, [r + 1, p, c], score the examples, some at a time: which they are, and [rows, p, c].

    `pulse` is called for each and may raise to end the work.
    """
    rank, fits, classes = solutions.shape[0] - 1, *solutions.shape[1:]
    weights = solutions[:rank].reshape(rank, -1)
    for rows, block in values.blocks(fits * classes):
        pulse()
        scores = (block @ weights).reshape(-1, fits, classes)
        scores += solutions[rank]
        yield rows, scores


class _Objective:
    """The objectives of all regressions at scaled weights, and their gradients."""

    def __init__(
        self,
        values: Columns,
        truth: Indices,
        class_count: int,
        counted: Array,
        l2: float,
        pulse: Callable[[], None],
    ) -> None:
        total = counted.sum(0)
        count, rank = values.shape
        self.shape = (rank + 1, counted.shape[1], class_count)
        self._values = values
        self._truth = truth
        self._pulse = pulse
        self._share = (counted / total).astype(values.dtype)
        # The curvature of softmax is p (1 - p) a class, at the start as here; features add their variance, L2 itself.
        curvature = (1 - 1 / class_count) / class_count
        spread = np.zeros(rank)
        for _, block in values.blocks(1):
            pulse()
            spread += np.einsum("nr,nr->r", block, block, dtype=np.float64)
        scale = np.append(1 / np.sqrt(curvature * spread / count + l2 / total.mean()), 1 / np.sqrt(curvature))
        self.scale = scale.astype(values.dtype)[:, None, None]
        self._penalty = (l2 / total).astype(values.dtype)[:, None]

    def __call__(self, point: Array) -> tuple[Array, Array]:
        rank, fits, classes = self.shape[0] - 1, *self.shape[1:]
        weights = point * self.scale
        losses, slope = np.zeros(fits), np.zeros(self.shape)
        flat = weights[:rank].reshape(rank, -1)
        # What is computed for an example is used while it is at hand: its features are read once.
        for rows, block in self._values.blocks(fits * classes):
            self._pulse()
            truth, share = self._truth[rows], self._share[rows]
            examples = np.arange(len(truth))
            scores = (block @ flat).reshape(-1, fits, classes)
            scores += weights[rank]
            scores -= scores.max(2, keepdims=True)
            right = scores[examples, :, truth]
            slopes = np.exp(scores, out=scores)
            sums = slopes.sum(2)
            losses += np.einsum("np,np->p", np.log(sums) - right, share, dtype=np.float64)
            slopes *= (share / sums)[:, :, None]
            slopes[examples, :, truth] -= share
            slope[:rank] += (block.T @ slopes.reshape(len(slopes), -1)).reshape(rank, fits, classes)
            slope[rank] += slopes.sum(0)
        gradient: Array = slope.astype(point.dtype)
        penalised = self._penalty * weights[:rank]
        losses += _dot(penalised, weights[:rank]) / 2
        gradient[:rank] += penalised
        gradient *= self.scale
        return losses, gradient


def _two_loops(gradient: Array, history: deque[tuple[Array, Array, Array]], gamma: Array) -> Array:
    """Return the approximate inverse curvature times the gradient, each regression by itself."""
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
