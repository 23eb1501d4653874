"""How good predictions of images with several labels are: average precision and F1, by label and over all.

scikit-learn has them, and tests compare these with its own; as for `evaluation.metrics`, a service that never trains
does not import it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.evaluation.intervals import Interval, wilson_interval

_LEAST_PROBABILITY: Final = 1e-15
_CURVE_POINTS: Final = 21

LEAST_OF_EACH: Final = 2
"""The fewest images with a label, and without it, by which it is told how good predictions of it are."""


@dataclass(frozen=True)
class PrecisionRecallPoint:
    """What predicting a label from a threshold on brings."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True)
class LabelMetrics:
    """How good predictions of one label are."""

    label: str
    example_count: int
    """The images that have it."""
    average_precision: float | None
    """None where too few images have it, or lack it, to tell."""
    threshold: float
    precision: float
    recall: float
    f1: float
    log_loss: float
    curve: tuple[PrecisionRecallPoint, ...] = ()


@dataclass(frozen=True)
class MultiLabelMetrics:
    """How good predictions of several labels are."""

    example_count: int
    log_loss: float
    """The mean over images and labels of -ln p(what is true)."""
    labels: tuple[LabelMetrics, ...]
    micro_average_precision: float | None
    macro_average_precision: float | None
    """The mean over the labels that have one."""
    micro_f1: float | None
    macro_f1: float | None
    """The mean over the labels that have an average precision."""
    exact_match: float
    """The share of images of which every label is decided rightly."""
    exact_match_interval: Interval | None = None


def evaluate_labels(
    probabilities: Array,
    targets: npt.NDArray[np.bool_],
    labels: Sequence[str],
    thresholds: Array,
    *,
    predicted: npt.NDArray[np.bool_] | None = None,
    independent: bool = True,
    least_of_each: int = 1,
) -> MultiLabelMetrics:
    """Return the metrics of predictions.

    `probabilities` is float64 [n, c], a row an image, `targets` bool [n, c] which labels it has; `labels` are their
    names, `thresholds` [c] the probabilities from which on they are predicted. `predicted`, bool [n, c], is what was
    predicted where that was by other thresholds, as in a cross-validation. Where images are not `independent` there is
    no interval. A label has an average precision where `least_of_each` images have it, and as many lack it.
    """
    count = len(targets)
    decided = probabilities >= thresholds if predicted is None else predicted
    true = np.where(targets, probabilities, 1 - probabilities)
    losses = -np.log(np.maximum(true, _LEAST_PROBABILITY))
    positives = targets.sum(0)
    known = (positives >= least_of_each) & (count - positives >= least_of_each) & (positives > 0) & (positives < count)
    entries = []
    for number, label in enumerate(labels):
        precision, recall, f1 = _f1(decided[:, number], targets[:, number])
        entries.append(
            LabelMetrics(
                label=label,
                example_count=int(positives[number]),
                average_precision=(
                    average_precision(probabilities[:, number], targets[:, number]) if known[number] else None
                ),
                threshold=float(thresholds[number]),
                precision=precision,
                recall=recall,
                f1=f1,
                log_loss=float(losses[:, number].mean()) if count else 0.0,
                curve=_curve(probabilities[:, number], targets[:, number]) if known[number] else (),
            )
        )
    any_known = bool(known.any())
    exact = int((decided == targets).all(1).sum())
    found = [entry for entry in entries if entry.average_precision is not None]
    return MultiLabelMetrics(
        example_count=count,
        log_loss=float(losses.mean()) if losses.size else 0.0,
        labels=tuple(entries),
        micro_average_precision=(
            average_precision(probabilities[:, known].ravel(), targets[:, known].ravel()) if any_known else None
        ),
        macro_average_precision=(
            float(np.mean([entry.average_precision or 0.0 for entry in found])) if any_known else None
        ),
        micro_f1=_f1(decided[:, known].ravel(), targets[:, known].ravel())[2] if any_known else None,
        macro_f1=float(np.mean([entry.f1 for entry in found])) if any_known else None,
        exact_match=exact / max(1, count),
        exact_match_interval=wilson_interval(exact, count) if independent else None,
    )


def average_precision(probabilities: Array, targets: npt.NDArray[np.bool_]) -> float:
    """Return the average precision of one label, as scikit-learn's `average_precision_score`.

    `probabilities` is float64 [n], `targets` bool [n], some of which are true. It is the sum over thresholds of the
    precision there times what the recall gained; images that are equally probable come together.
    """
    order = np.argsort(-probabilities, kind="stable")
    sorted_probabilities = probabilities[order]
    ends = np.flatnonzero(np.append(sorted_probabilities[1:] != sorted_probabilities[:-1], True))
    hits = np.cumsum(targets[order])[ends]
    precisions = hits / (ends + 1)
    return float((np.diff(hits, prepend=0) * precisions).sum() / hits[-1])


def _f1(predicted: npt.NDArray[np.bool_], targets: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of decisions, bool [n]; 0 where they are not defined."""
    hits, said, true = int((predicted & targets).sum()), int(predicted.sum()), int(targets.sum())
    return hits / max(1, said), hits / max(1, true), 2 * hits / max(1, said + true)


def _curve(probabilities: Array, targets: npt.NDArray[np.bool_]) -> tuple[PrecisionRecallPoint, ...]:
    points = []
    for threshold in np.linspace(0, 1, _CURVE_POINTS).round(3):
        predicted = probabilities >= threshold
        if not predicted.any():
            break
        precision, recall, _ = _f1(predicted, targets)
        points.append(PrecisionRecallPoint(float(threshold), precision, recall))
    return tuple(points)
