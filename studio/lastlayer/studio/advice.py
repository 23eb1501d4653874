"""What to do next for a better model, by the numbers of a version."""

import dataclasses
import math
from typing import Final, Literal

from lastlayer.client.results.datasets import Dataset
from lastlayer.client.results.metrics import ClassMetrics, Metrics
from lastlayer.client.results.versions import ModelVersion

_FEW: Final = 10
"""With fewer photos than this a class says little of itself."""
_MIXED_UP_SHARE: Final = 0.1
"""Of the photos of a class, the share that is taken for one other class from which on this is worth a word."""


@dataclasses.dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do."""

    kind: Literal["suspicious", "conflicts", "stale", "grow", "mixed_up", "untrained"]
    count: int
    """How many photos it is about."""
    label: str = ""
    """The class that it is about; empty where it is about none alone."""
    other: str = ""
    """The class that `label` is taken for."""


def advise(version: ModelVersion, dataset: Dataset | None, suspicious: int) -> list[Advice]:
    """Return what to do next, the first first; `dataset` is None where it has been deleted.

    `suspicious` is how many labels of the training examples are probably wrong.
    """
    found = []
    if dataset is not None and dataset.stale_count:
        found.append(Advice("stale", dataset.stale_count))
    if suspicious:
        found.append(Advice("suspicious", suspicious))
    if dataset is not None and dataset.conflict_count:
        found.append(Advice("conflicts", dataset.conflict_count))
    if dataset is not None and dataset.example_count != version.example_count:
        found.append(Advice("untrained", abs(dataset.example_count - version.example_count)))
    metrics = version.cross_validation
    if metrics is not None:
        if grow := _class_to_grow(metrics):
            found.append(Advice("grow", grow.example_count, grow.label))
        found.extend(_mixed_up(metrics))
    return found


def _class_to_grow(metrics: Metrics) -> ClassMetrics | None:
    """Return the class for which more photos promise most, None where all have about as many as the others.

    The promise is the share of it that is not recognised (with one photo of each kind more, so that 2 of 2 are no
    certainty), times how far its share of errors falls as one over the square root of the photos, up to as many as the
    largest class has.
    """
    most = max((entry.example_count for entry in metrics.classes), default=0)
    short = [entry for entry in metrics.classes if 0 < entry.example_count < max(most / 2, min(_FEW, most))]
    return max(short, key=lambda entry: _promise(entry, most), default=None)


def _promise(entry: ClassMetrics, most: int) -> float:
    count = entry.example_count
    missed = (count * (1 - entry.recall) + 1) / (count + 2)
    return missed * (1 - math.sqrt(count / most))


def _mixed_up(metrics: Metrics) -> list[Advice]:
    """Return the two classes that are mixed up most often, where that is worth a word."""
    labels = [entry.label for entry in metrics.classes]
    cells = (
        (row[column], sum(row), labels[line], labels[column])
        for line, row in enumerate(metrics.confusion_matrix)
        for column in range(len(labels))
        if line != column
    )
    count, of, label, other = max(cells, default=(0, 0, "", ""))
    return [Advice("mixed_up", count, label, other)] if count > 1 and count >= _MIXED_UP_SHARE * of else []
