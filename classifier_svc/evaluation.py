"""Gathers predictions of labelled images into an evaluation."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from classifier_svc.metrics import Metrics, evaluate


class EvaluationTally:
    """What an evaluation has seen so far."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._index = {label: number for number, label in enumerate(classes)}
        self._probabilities: list[npt.NDArray[np.float64]] = []
        self._truth: list[int] = []
        self.failed = 0
        """The examples whose image could not be predicted."""
        self.unknown_labels: Counter[str] = Counter()
        """The labels that the model never saw, with their numbers of examples."""

    @property
    def seen(self) -> int:
        """All examples."""
        return len(self._truth) + self.failed + self.unknown_labels.total()

    def add(self, label: str, probabilities: npt.NDArray[np.float64] | None) -> bool:
        """Count an example, `probabilities` (float64 [c]) being None where its image failed; return whether the model
        knows its label.
        """
        known = label in self._index
        if probabilities is None:
            self.failed += 1
        elif known:
            self._truth.append(self._index[label])
            self._probabilities.append(probabilities)
        else:
            self.unknown_labels[label] += 1
        return known

    def metrics(self) -> Metrics:
        """Return the metrics of the examples with known labels."""
        count = len(self._truth)
        probabilities = np.array(self._probabilities).reshape(count, len(self._classes))
        return evaluate(probabilities, np.array(self._truth, np.intp), self._classes)
