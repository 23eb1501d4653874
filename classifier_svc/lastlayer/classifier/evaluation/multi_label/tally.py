"""Gathers predictions of images with several labels into an evaluation."""

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.types import Predicted, TapExamples
from lastlayer.classifier.evaluation.metrics import Metrics, Outcomes, evaluate_outcomes
from lastlayer.classifier.evaluation.multi_label.metrics import MultiLabelMetrics, evaluate_labels
from lastlayer.classifier.evaluation.multi_label.out_of_fold import OutOfFoldLabels
from lastlayer.classifier.evaluation.tally import EvaluationTally


class LabelTally(EvaluationTally):
    """What an evaluation of a multi-label version has seen so far: 5 bytes an image and label."""

    def __init__(self, labels: tuple[str, ...], thresholds: Sequence[float]) -> None:
        super().__init__(labels)
        self._thresholds = np.array(thresholds)
        self._probabilities = array("f")
        self._targets = bytearray()
        self._count = 0

    @property
    def seen(self) -> int:
        """The number of all examples."""
        return self._count + self.failed

    def knows_all(self, labels: Sequence[str]) -> bool:
        """Return whether the model knows all of some labels."""
        return all(map(self.knows, labels))

    def add_labels(self, name: str, labels: Sequence[str], predicted: Predicted | None) -> None:
        """Count an image with its labels, `predicted` being None where it failed."""
        if predicted is None:
            self.failed += 1
            return
        has = np.zeros(len(self._thresholds), np.uint8)
        for label in labels:
            if self.knows(label):
                has[self._index[label]] = 1
            else:
                self.unknown_labels[label] += 1
        self._count += 1
        self._probabilities.extend(predicted.probabilities.tolist())
        self._targets += has.tobytes()
        self._keep(name, predicted)

    def metrics(self) -> Metrics:
        """Return the metrics of classes, of which there are none."""
        nothing = np.zeros(0)
        return evaluate_outcomes(Outcomes(nothing.astype(np.intp), nothing.astype(np.intp), nothing, nothing), ())

    def label_metrics(self) -> MultiLabelMetrics:
        """Return the metrics of all images that could be predicted."""
        shape = (self._count, len(self._thresholds))
        targets: npt.NDArray[np.bool_] = np.frombuffer(self._targets, np.uint8).reshape(shape).astype(bool)
        probabilities = np.array(self._probabilities, np.float64).reshape(shape)
        return evaluate_labels(probabilities, targets, self._classes, self._thresholds)


def select_trained_on(stored: TapExamples, results: OutOfFoldLabels | None) -> TapExamples:
    """Return those of a dataset's images that a version was trained on, as its out-of-fold results tell.

    All where there are no results.
    """
    if results is None:
        return stored
    return stored.only([row for row, content in enumerate(stored.contents) if content in results.contents])
