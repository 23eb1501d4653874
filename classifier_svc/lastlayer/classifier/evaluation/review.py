"""Finds training examples that are worth a look: those that a version got wrong out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from lastlayer.classifier.domain.label_sets import NO_LABEL
from lastlayer.classifier.domain.labels import normalize_classes
from lastlayer.classifier.domain.types import StoredExample, Version
from lastlayer.classifier.evaluation.multi_label.out_of_fold import OutOfFoldLabels
from lastlayer.classifier.evaluation.out_of_fold import OutOfFold, OutOfFoldExample

_AT_ONCE: Final = 1000
"""How many examples are looked up at once, which bounds the memory of their thumbnails."""


class Models(Protocol):
    """What a review needs of `lastlayer.classifier.store.models.ModelStore`."""

    def get_version(self, model: str, number: int) -> Version:
        """Return a version."""

    def held_out(self, key: int) -> bytes | None:
        """Return the out-of-fold results of a version."""


class Examples(Protocol):
    """What a review needs of `lastlayer.classifier.store.images.examples.ExampleStore`."""

    def get(self, dataset: str, contents: Sequence[bytes], *, with_thumbnails: bool) -> dict[bytes, StoredExample]:
        """Return those of the images, by sha256, that a dataset has."""


_MOST_SUGGESTED: Final = 100_000
"""As many as a map has images."""


@dataclass(frozen=True)
class ReviewedExample:
    """A training example that is worth a look."""

    stored: StoredExample
    label: str
    """The one that it was trained with, and still has; empty where a multi-label version finds that one is missing."""
    label_probability: float
    """Out of fold, as the next two."""
    suggested_label: str
    """Empty where a multi-label version finds that it has not its `label`."""
    suggested_probability: float


@dataclass(frozen=True)
class Reviewed:
    """What a review found."""

    examples: Sequence[ReviewedExample]
    """The worst first; no more than were asked for."""
    total: int
    """How many there are."""


class Review:
    """Reviews the training examples of versions. Its methods block: they are for threads, not for the event loop."""

    def __init__(self, models: Models, examples: Examples) -> None:
        self._models = models
        self._examples = examples

    def find(self, model: str, number: int, *, mistakes: bool, limit: int, with_thumbnails: bool) -> Reviewed:
        """Return the examples whose labels are suspicious or, with `mistakes`, all that were predicted wrongly.

        Only those that the dataset still has with the label that they were trained with. `number` 0 is the model's
        default version. Raises ResourceNotFoundError or StoreCorruptError.
        """
        version = self._models.get_version(model, number)
        stored = self._models.held_out(version.key)
        if stored is None:
            return Reviewed([], 0)
        if OutOfFoldLabels.wrote(stored):
            return self._review_labels(version, OutOfFoldLabels.from_bytes(stored), mistakes, limit, with_thumbnails)
        results = OutOfFold.from_bytes(stored)
        found = results.mistakes() if mistakes else results.suspicious()
        reviewed: list[ReviewedExample] = []
        total = 0
        for start in range(0, len(found), _AT_ONCE):
            pictured = with_thumbnails and len(reviewed) < limit
            unchanged = self._unchanged(version, found[start : start + _AT_ONCE], pictured)
            total += len(unchanged)
            reviewed += unchanged[: limit - len(reviewed)]
        return Reviewed(reviewed, total)

    def _review_labels(
        self, version: Version, results: OutOfFoldLabels, mistakes: bool, limit: int, with_thumbnails: bool
    ) -> Reviewed:
        """Return the labels of a multi-label version's images that are in doubt: one an entry, had or lacked."""
        classes = normalize_classes(version.classes)
        found = results.mistakes() if mistakes else results.suspicious()
        reviewed: list[ReviewedExample] = []
        total = 0
        for start in range(0, len(found), _AT_ONCE):
            some = found[start : start + _AT_ONCE]
            pictured = with_thumbnails and len(reviewed) < limit
            contents = list(dict.fromkeys(entry.content_sha256 for entry in some))
            stored = self._examples.get(version.dataset, contents, with_thumbnails=pictured)
            unchanged = [
                ReviewedExample(
                    stored=now,
                    label=classes[entry.label] if entry.has_it else NO_LABEL,
                    label_probability=entry.probability if entry.has_it else 1 - entry.probability,
                    suggested_label=NO_LABEL if entry.has_it else classes[entry.label],
                    suggested_probability=1 - entry.probability if entry.has_it else entry.probability,
                )
                for entry in some
                if (now := stored.get(entry.content_sha256)) and (classes[entry.label] in now.labels) is entry.has_it
            ]
            total += len(unchanged)
            reviewed += unchanged[: limit - len(reviewed)]
        return Reviewed(reviewed, total)

    def suggest(self, model: str, dataset: str) -> dict[bytes, str]:
        """Return what the default version of a model would label the suspicious images of a dataset, by their sha256.

        There are none where it was trained on another dataset. Raises what `find` raises.
        """
        version = self._models.get_version(model, 0)
        if version.dataset != dataset:
            return {}
        found = self.find(model, version.version, mistakes=False, limit=_MOST_SUGGESTED, with_thumbnails=False)
        return {example.stored.content_sha256: example.suggested_label for example in found.examples}

    def _unchanged(
        self, version: Version, found: Sequence[OutOfFoldExample], with_thumbnails: bool
    ) -> list[ReviewedExample]:
        classes = normalize_classes(version.classes)
        contents = [example.content_sha256 for example in found]
        stored = self._examples.get(version.dataset, contents, with_thumbnails=with_thumbnails)
        return [
            ReviewedExample(
                stored=now,
                label=classes[example.label],
                label_probability=example.label_probability,
                suggested_label=classes[example.predicted],
                suggested_probability=example.predicted_probability,
            )
            for example in found
            if (now := stored.get(example.content_sha256)) and now.labels == (classes[example.label],)
        ]
