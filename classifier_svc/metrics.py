"""How good predictions are, by ML.NET's definitions (dotnet/machinelearning, MulticlassClassificationMetrics)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

_LEAST_PROBABILITY: Final = 1e-15
"""ML.NET clamps the true class's probability to this before it takes the logarithm."""


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
    """Rows are the truth, columns the prediction, both in the order of `classes`."""


def evaluate(probabilities: npt.NDArray[np.float64], truth: npt.NDArray[np.intp], classes: Sequence[str]) -> Metrics:
    """Return the metrics of predictions.

    `probabilities` is float64 [n, c], a row an example; `truth` holds the index into `classes` of each one's label. A
    tie between classes is won by the first of them.
    """
    count = len(classes)
    predicted = probabilities.argmax(1) if len(truth) else np.zeros(0, np.intp)
    losses = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], _LEAST_PROBABILITY))
    confusion = np.zeros((count, count), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    examples, predictions, right = confusion.sum(1), confusion.sum(0), confusion.diagonal()
    recalls = right / np.maximum(examples, 1)
    class_losses = np.bincount(truth, losses, count) / np.maximum(examples, 1)
    log_loss = float(losses.mean()) if len(truth) else 0.0
    frequencies = examples[examples > 0] / max(1, len(truth))
    entropy = float(-(frequencies * np.log(frequencies)).sum())
    return Metrics(
        example_count=len(truth),
        log_loss=log_loss,
        log_loss_reduction=(entropy - log_loss) / entropy if entropy > 0 else None,
        micro_accuracy=float(right.sum() / max(1, len(truth))),
        macro_accuracy=float(recalls[examples > 0].mean()) if len(truth) else 0.0,
        classes=tuple(
            ClassMetrics(
                label=label,
                example_count=int(examples[index]),
                log_loss=float(class_losses[index]),
                precision=float(right[index] / max(1, predictions[index])),
                recall=float(recalls[index]),
            )
            for index, label in enumerate(classes)
        ),
        confusion_matrix=tuple(tuple(int(cell) for cell in row) for row in confusion),
    )
