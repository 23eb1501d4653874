"""Gathers predictions of labelled images into an evaluation, in memory that does not grow with images or classes."""

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.types import Predicted, TapExamples
from lastlayer.classifier.evaluation.likeness.near_duplicates import BLOCK, EvaluatedBlock
from lastlayer.classifier.evaluation.metrics import Metrics, Outcomes, evaluate_outcomes
from lastlayer.classifier.evaluation.out_of_fold import OutOfFold


class EvaluationTally:
    """What an evaluation has seen so far.

    Of each image it keeps 32 bytes for the metrics. Its name and its vector are kept until `take_block` takes them.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self._classes = classes
        self._index = {label: number for number, label in enumerate(classes)}
        self._y = array("q")
        self._predicted = array("q")
        self._y_probability = array("d")
        self._predicted_probability = array("d")
        self._names: list[str] = []
        self._vectors: list[npt.NDArray[np.float32]] = []
        self._hashes: list[bytes] = []
        self.failed = 0
        """The examples whose image could not be predicted."""
        self.unknown_labels: Counter[str] = Counter()
        """The labels that the model never saw, with their numbers of examples."""

    @property
    def seen(self) -> int:
        """The number of all examples."""
        return len(self._y) + self.failed + self.unknown_labels.total()

    @property
    def has_block(self) -> bool:
        """Whether there are names and vectors for a whole block, which should be taken."""
        return len(self._names) >= BLOCK

    def knows(self, label: str) -> bool:
        """Return whether the model knows a label."""
        return label in self._index

    def add(self, name: str, label: str, predicted: Predicted | None) -> None:
        """Count an example, `predicted` being None where its image failed."""
        if predicted is None:
            self.failed += 1
        elif label in self._index:
            probabilities = predicted.probabilities
            y, best = self._index[label], int(probabilities.argmax())
            self._y.append(y)
            self._predicted.append(best)
            self._y_probability.append(probabilities[y])
            self._predicted_probability.append(probabilities[best])
            self._keep(name, predicted)
        else:
            self.unknown_labels[label] += 1

    def _keep(self, name: str, predicted: Predicted) -> None:
        """Keep what `take_block` returns of an image."""
        self._names.append(name)
        self._vectors.append(predicted.vector)
        self._hashes.append(predicted.hashes)

    def take_block(self) -> EvaluatedBlock:
        """Return the images with known labels that were not taken yet, with their vectors at the deepest tap."""
        names, vectors, hashes = self._names, self._vectors, self._hashes
        self._names, self._vectors, self._hashes = [], [], []
        return EvaluatedBlock(names, np.stack(vectors) if vectors else np.zeros((0, 0), np.float32), hashes)

    def metrics(self) -> Metrics:
        """Return the metrics of the examples with known labels."""
        outcomes = Outcomes(
            y=np.array(self._y, np.intp),
            predicted=np.array(self._predicted, np.intp),
            y_probability=np.array(self._y_probability),
            predicted_probability=np.array(self._predicted_probability),
        )
        return evaluate_outcomes(outcomes, self._classes)


def select_trained_on(stored: TapExamples, results: OutOfFold | None, classes: Sequence[str]) -> TapExamples:
    """Return those of a dataset's examples that a version was trained on, as its out-of-fold results tell.

    What was added since is left out. Classes too small to be left out are not in the results, and neither is anything
    where nothing was validated: of those, all that is stored is taken.
    """
    if results is None:
        return stored
    unvalidated = set(classes) - {classes[label] for label in results.labels}
    return stored.only(
        [
            row
            for row, (content, label) in enumerate(zip(stored.contents, stored.labels, strict=True))
            if content in results.contents or label in unvalidated
        ]
    )
