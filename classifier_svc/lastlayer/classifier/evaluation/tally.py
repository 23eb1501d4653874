"""Gathers predictions of labelled images into an evaluation."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.types import TapExamples
from lastlayer.classifier.evaluation.metrics import Metrics, evaluate
from lastlayer.classifier.evaluation.near_duplicates import NearDuplicate, near_duplicates
from lastlayer.classifier.evaluation.out_of_fold import HeldOut
from lastlayer.classifier.prediction.predictor import Predicted


class EvaluationTally:
    """What an evaluation has seen so far."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._index = {label: number for number, label in enumerate(classes)}
        self._probabilities: list[npt.NDArray[np.float64]] = []
        self._truth: list[int] = []
        self._names: list[str] = []
        self._vectors: list[npt.NDArray[np.float32]] = []
        self.failed = 0
        """The examples whose image could not be predicted."""
        self.unknown_labels: Counter[str] = Counter()
        """The labels that the model never saw, with their numbers of examples."""

    @property
    def seen(self) -> int:
        """All examples."""
        return len(self._truth) + self.failed + self.unknown_labels.total()

    def add(self, name: str, label: str, predicted: Predicted | None) -> bool:
        """Count an example, `predicted` being None where its image failed; return whether the model knows its label."""
        known = label in self._index
        if predicted is None:
            self.failed += 1
        elif known:
            self._truth.append(self._index[label])
            self._probabilities.append(predicted.probabilities)
            self._names.append(name)
            self._vectors.append(predicted.vector)
        else:
            self.unknown_labels[label] += 1
        return known

    def near_duplicates(self, training: TapExamples, stopped: Callable[[], bool]) -> list[NearDuplicate]:
        """Return those of the examples that are, or nearly are, training examples, at the deepest tap of the head; none
        where it is `stopped` before.
        """
        return near_duplicates(self._names, self._vectors, training, stopped)

    def metrics(self) -> Metrics:
        """Return the metrics of the examples with known labels."""
        count = len(self._truth)
        probabilities = np.array(self._probabilities).reshape(count, len(self._classes))
        return evaluate(probabilities, np.array(self._truth, np.intp), self._classes)


def trained_on(stored: TapExamples, held_out: bytes | None, classes: Sequence[str]) -> TapExamples:
    """Return those of a dataset's examples that a version was trained on, as its held-out results tell.

    What was added since is left out. Classes too small to be held out are not in the results, and neither is anything
    where nothing was validated: of those, all that is stored is taken.
    """
    if held_out is None:
        return stored
    results = HeldOut.from_bytes(held_out)
    contents = results.contents
    unvalidated = set(classes) - {classes[label] for label in results.labels}
    return stored.only(
        [
            row
            for row, (content, label) in enumerate(zip(stored.contents, stored.labels, strict=True))
            if content in contents or label in unvalidated
        ]
    )
