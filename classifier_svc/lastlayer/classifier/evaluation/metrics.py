"""How good predictions are: ML.NET's metrics (dotnet/machinelearning, MulticlassClassificationMetrics), how sure one
can be of them, and whether probabilities mean what they say.

scikit-learn has most of them, and tests compare these with its own. It is not called: a service that evaluates without
ever training would take 0.8 s and 95 MB to import `sklearn.metrics`, for a handful of sums; and its log-loss clamps
probabilities at another value, and is not told by class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.evaluation.intervals import Interval, log_loss_interval, wilson_interval

_LEAST_PROBABILITY: Final = 1e-15
"""ML.NET clamps the true class's probability to this before it takes the logarithm."""

_BINS: Final = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """The predictions whose best class has about the same probability."""

    lower: float
    upper: float
    example_count: int
    mean_probability: float
    accuracy: float


@dataclass(frozen=True)
class ClassMetrics:
    """How good predictions are on one class."""

    label: str
    example_count: int
    log_loss: float
    """The mean of -ln p(true class) over the examples of this class; 0 where there are none."""
    precision: float
    """0 where nothing was predicted as this class."""
    recall: float
    """0 where the class has no examples."""


@dataclass(frozen=True)
class Metrics:
    """How good predictions are; logarithms are natural."""

    example_count: int
    log_loss: float
    """The mean of -ln p(true class); 0 where there are no examples."""
    log_loss_reduction: float | None
    """(H - log_loss) / H, H being the entropy of the labels' frequencies; None where they are all the same."""
    micro_accuracy: float
    macro_accuracy: float
    """The mean recall over the classes that occur."""
    classes: tuple[ClassMetrics, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]
    """Rows are the examples' classes, columns the predicted ones, both in the order of `classes`."""
    micro_accuracy_interval: Interval | None = None
    """None where there are no examples."""
    log_loss_interval: Interval | None = None
    """None where there are fewer than two examples."""
    expected_calibration_error: float = 0.0
    """See `calibration_error`."""
    reliability: tuple[ReliabilityBin, ...] = ()
    """The bins that have examples, by rising probability."""
    interval_inflation: float = 1.0
    """How many times fewer independent examples would be as sure: see `evaluation.intervals.inflate`."""


@dataclass(frozen=True)
class Outcomes:
    """All that the metrics of n predictions are computed from, however many classes there are."""

    y: npt.NDArray[np.intp]
    """[n], the index of each example's class."""
    predicted: npt.NDArray[np.intp]
    """[n], the index of its most probable class; the first of several that are equally probable."""
    y_probability: npt.NDArray[np.float64]
    """[n], the probability of its class."""
    predicted_probability: npt.NDArray[np.float64]
    """[n], the probability of its most probable class."""

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.float64], y: npt.NDArray[np.intp]) -> "Outcomes":
        """Return the outcomes of predictions, float64 [n, c], a row an example, whose classes are `y` [n]."""
        rows = np.arange(len(y))
        predicted = probabilities.argmax(1) if len(y) else np.zeros(0, np.intp)
        return cls(y, predicted, probabilities[rows, y], probabilities[rows, predicted])


def evaluate(
    probabilities: npt.NDArray[np.float64],
    y: npt.NDArray[np.intp],
    classes: Sequence[str],
    *,
    inflation: float = 1.0,
) -> Metrics:
    """Return the metrics of predictions.

    `probabilities` is float64 [n, c], a row an example; `y` is [n], the index into `classes` of each one's label. A
    tie between classes is won by the first of them. `inflation` is 1 for new images; for those of a cross-validation it
    makes intervals wider (see `evaluation.intervals.inflate`).
    """
    return evaluate_outcomes(Outcomes.of(probabilities, y), classes, inflation=inflation)


def evaluate_outcomes(outcomes: Outcomes, classes: Sequence[str], *, inflation: float = 1.0) -> Metrics:
    """Return the metrics of predictions among `classes`, from what is needed of them."""
    count = len(classes)
    y, predicted = outcomes.y, outcomes.predicted
    losses = -np.log(np.maximum(outcomes.y_probability, _LEAST_PROBABILITY))
    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (y, predicted), 1)
    examples, predictions, correct = confusion.sum(1), confusion.sum(0), confusion.diagonal()
    recalls = correct / np.maximum(examples, 1)
    class_losses = np.bincount(y, losses, count) / np.maximum(examples, 1)
    log_loss = float(losses.mean()) if len(y) else 0.0
    frequencies = examples[examples > 0] / max(1, len(y))
    entropy = float(-(frequencies * np.log(frequencies)).sum())
    bins = _reliability(outcomes.predicted_probability, predicted == y)
    return Metrics(
        micro_accuracy_interval=wilson_interval(int(correct.sum()), len(y), inflation),
        log_loss_interval=log_loss_interval(losses, inflation),
        interval_inflation=inflation,
        expected_calibration_error=calibration_error(bins),
        reliability=bins,
        example_count=len(y),
        log_loss=log_loss,
        log_loss_reduction=(entropy - log_loss) / entropy if entropy > 0 else None,
        micro_accuracy=float(correct.sum() / max(1, len(y))),
        macro_accuracy=float(recalls[examples > 0].mean()) if len(y) else 0.0,
        classes=tuple(
            ClassMetrics(
                label=label,
                example_count=int(examples[index]),
                log_loss=float(class_losses[index]),
                precision=float(correct[index] / max(1, predictions[index])),
                recall=float(recalls[index]),
            )
            for index, label in enumerate(classes)
        ),
        confusion_matrix=tuple(tuple(int(cell) for cell in row) for row in confusion),
    )


def reliability(probabilities: npt.NDArray[np.float64], y: npt.NDArray[np.intp]) -> tuple[ReliabilityBin, ...]:
    """Return how often predictions are right by how probable they are said to be, in ten bins of equal width."""
    outcomes = Outcomes.of(probabilities, y)
    return _reliability(outcomes.predicted_probability, outcomes.predicted == y)


def _reliability(best: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    numbers = np.minimum((best * _BINS).astype(np.intp), _BINS - 1)
    bins = []
    for number in np.unique(numbers):
        inside = numbers == number
        bins.append(
            ReliabilityBin(
                lower=number / _BINS,
                upper=(number + 1) / _BINS,
                example_count=int(inside.sum()),
                mean_probability=float(best[inside].mean()),
                accuracy=float(correct[inside].mean()),
            )
        )
    return tuple(bins)


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error (Guo et al., On Calibration of Modern Neural Networks, 2017): the mean
    distance between probability and accuracy over the bins, weighted by their examples; 0 where there are none.
    """
    total = sum(entry.example_count for entry in bins)
    distances = (entry.example_count * abs(entry.mean_probability - entry.accuracy) for entry in bins)
    return sum(distances) / max(1, total)
