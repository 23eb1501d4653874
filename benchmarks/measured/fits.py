"""The jobs that `benchmarks.solver` measures, by our solver and by scikit-learn's, and how exact the results are.

All start at the same vectors of unit length, and rotate them themselves where they do. Arrays have these shapes: `y`
[n], the indices of the classes; weights float64 [p, d, c] and biases float64 [p, c] of p regressions on the vectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.folds import Splits, make_splits
from lastlayer.classifier.fitting.logistic import fit_logistic
from lastlayer.classifier.fitting.pca import Rotated, rotate
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.cross_validation import Search
from lastlayer.classifier.training.search.penalties import L2_PATH

Array = npt.NDArray[Any]

OURS: Final = "ours"
ALONE: Final = "scikit-learn, lbfgs"
FINAL_TOLERANCE: Final = 1e-5
_REFERENCE_TOLERANCE: Final = 1e-8
_LEAST_PROBABILITY: Final = 1e-15
_MAX_STEPS: Final = 10_000
_FOLDS: Final = 5
_SEED: Final = 20240229
_WORSE: Final = 1.05
"""As in `training.search`: a path ends at the second log-loss in a row that is this many times the least before it."""


@dataclass(frozen=True)
class Found:
    """What a job found at one penalty: of a scan, the one with the least cross-validated log-loss."""

    l2: float
    weights: Array
    biases: Array
    fitted: Array
    """bool [n, p], which examples each regression was fitted on."""
    log_loss: float
    """Cross-validated; not a number where nothing was."""
    fits: int
    """How many regressions were fitted."""


def scan_ours(vectors: Array, y: Array, _l2: float) -> Found:
    """Scan the path as a training does."""
    rotated, splits = rotate(vectors), _split(y)
    search = _Recording(y, y.max() + 1, np.ones(len(y)), lambda: None)
    scan = search.scan(Candidate(("tap",), (rotated,)), slice(None), splits, L2_PATH)
    log_losses = np.nanmean(scan.losses[:, 0], axis=1)
    best = int(log_losses.argmin())
    weights, biases = _restored(rotated, search.solutions[best])
    fits = splits.fitted.shape[1] * len(scan.path)
    return Found(scan.path[best], weights, biases, splits.fitted, float(log_losses[best]), fits)


def scan_scikit_learn(vectors: Array, y: Array, _l2: float) -> Found:
    """Scan the path with scikit-learn's default solver on the vectors as they are."""
    return _scan(vectors, y, None, solver="lbfgs")


def scan_scikit_learn_rotated(vectors: Array, y: Array, _l2: float) -> Found:
    """Scan the path with scikit-learn's default solver on rotated vectors."""
    rotated = rotate(vectors)
    return _scan(rotated.values, y, rotated, solver="lbfgs")


def scan_newton_rotated(vectors: Array, y: Array, _l2: float) -> Found:
    """Scan the path with scikit-learn's Newton-CG on rotated vectors."""
    rotated = rotate(vectors)
    return _scan(rotated.values, y, rotated, solver="newton-cg")


def fit_ours(rotated: Rotated, y: Array, l2: float) -> Found:
    """Fit all examples with our solver."""
    ones = np.ones((len(y), 1))
    values = FeatureBlocks([rotated.values], np.float64)
    solution = fit_logistic(values, y, y.max() + 1, ones, l2, tolerance=FINAL_TOLERANCE)
    return Found(l2, *_restored(rotated, solution), ones > 0, np.nan, 1)


def fit_scikit_learn(rotated: Rotated, y: Array, l2: float, *, solver: str, tolerance: float) -> Found:
    """Fit all examples with one of scikit-learn's solvers."""
    model = LogisticRegression(C=1 / l2, solver=solver, tol=tolerance, max_iter=_MAX_STEPS)
    model.fit(rotated.values.astype(np.float64, copy=False), y)
    weights, biases = _restored(rotated, _solution(model)[:, None])
    return Found(l2, weights, biases, np.ones((len(y), 1), bool), np.nan, 1)


SCANS: Final[Mapping[str, Any]] = {
    OURS: scan_ours,
    ALONE: scan_scikit_learn,
    "scikit-learn, lbfgs, rotated": scan_scikit_learn_rotated,
    "scikit-learn, newton-cg, rotated": scan_newton_rotated,
}
"""By name, what scans: of unit-length vectors float32 [n, d], `y` and a number that means nothing."""

FINALS: Final[Mapping[str, Any]] = {
    OURS: fit_ours,
    **{
        f"scikit-learn, {solver}, tol={tolerance:g}": (
            lambda rotated, y, l2, solver=solver, tolerance=tolerance: fit_scikit_learn(
                rotated, y, l2, solver=solver, tolerance=tolerance
            )
        )
        for solver, tolerance in (("lbfgs", 1e-4), ("lbfgs", 1e-8), ("newton-cg", 1e-4), ("newton-cg", 1e-8))
    },
}
"""By name, what fits all examples: of rotated vectors, `y` and the penalty."""


def excess_and_slope(vectors: Array, y: Array, found: Found) -> tuple[float, float]:
    """Return by how much the first regression's objective is above its minimum, and its gradient's largest element.

    The minimum is what our solver comes to in double precision, with a tolerance of 1e-8.
    """
    rows = found.fitted[:, 0]
    vectors, y = vectors[rows], y[rows]
    value, slope = _objective(vectors, y, found.weights[0], found.biases[0], found.l2)
    rotated, ones = rotate(vectors.copy()), np.ones((len(y), 1))
    features = FeatureBlocks([rotated.values], np.float64)
    solution = fit_logistic(features, y, y.max() + 1, ones, found.l2, tolerance=_REFERENCE_TOLERANCE)
    weights, biases = _restored(rotated, solution)
    return value - _objective(vectors, y, weights[0], biases[0], found.l2)[0], slope


class _Recording(Search):
    """A search that keeps what it fitted."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.solutions: list[Array] = []

    def fit(self, *arguments: Any, **options: Any) -> Array:
        self.solutions.append(super().fit(*arguments, **options))
        return self.solutions[-1]


def _split(y: Array) -> Splits:
    return make_splits(y, _FOLDS, _SEED)


def _scan(values: Array, y: Array, rotated: Rotated | None, *, solver: str) -> Found:
    splits = _split(y)
    models = [
        LogisticRegression(solver=solver, warm_start=True, max_iter=_MAX_STEPS) for _ in range(splits.fitted.shape[1])
    ]
    found: Found | None = None
    least, worse = np.inf, 0
    fits = 0
    for l2 in L2_PATH:
        losses = np.full(len(y), np.nan)
        for model, fitted in zip(models, splits.fitted.T, strict=True):
            model.set_params(C=1 / l2).fit(values[fitted], y[fitted])
            own = model.predict_proba(values[~fitted])[np.arange((~fitted).sum()), y[~fitted]]
            losses[~fitted] = -np.log(np.maximum(own, _LEAST_PROBABILITY))
        fits += len(models)
        mean = float(losses.mean())
        if mean < least:
            solution = np.stack([_solution(model) for model in models], axis=1)
            weights, biases = _restored(rotated, solution)
            found = Found(l2, weights, biases, splits.fitted, mean, 0)
        least = min(least, mean)
        worse = worse + 1 if mean > _WORSE * least else 0
        if worse == 2:
            break
    assert found is not None
    return Found(found.l2, found.weights, found.biases, found.fitted, found.log_loss, fits)


def _solution(model: LogisticRegression) -> Array:
    """Return the weights, and in the last row the biases, [r + 1, c], of three classes or more."""
    solution: Array = np.vstack([model.coef_.T, model.intercept_])
    return solution


def _restored(rotated: Rotated | None, solution: Array) -> tuple[Array, Array]:
    """Return solutions [r + 1, p, c] as weights [p, d, c] and biases [p, c] on the vectors."""
    weights, biases = [], []
    for number in range(solution.shape[1]):
        own, bias = solution[:-1, number], solution[-1, number].astype(np.float64)
        if rotated is not None:
            own, added = rotated.restore(own)
            bias = bias + added
        weights.append(own.astype(np.float64))
        biases.append(bias)
    return np.stack(weights), np.stack(biases)


def _objective(vectors: Array, y: Array, weights: Array, biases: Array, l2: float) -> tuple[float, float]:
    """Return the mean cross-entropy plus l2 / 2n times the squares of the weights, and its largest slope."""
    count, examples = len(y), np.arange(len(y))
    probabilities = softmax(vectors @ weights + biases)
    value = -np.log(probabilities[examples, y]).mean() + l2 / (2 * count) * (weights**2).sum()
    probabilities[examples, y] -= 1
    slope = (vectors.T @ probabilities + l2 * weights) / count
    return float(value), float(max(np.abs(slope).max(), np.abs(probabilities.mean(0)).max()))
