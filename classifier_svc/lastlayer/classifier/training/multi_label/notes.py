"""What a user should know of a multi-label training beside its numbers, one sentence a note."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.evaluation.multi_label.metrics import LEAST_OF_EACH, LabelMetrics, MultiLabelMetrics
from lastlayer.classifier.training.notes import join_names

_LEAST_GUESSED: Final = 30
"""With fewer images it is not said that a label is guessed: that may be bad luck."""


def describe_labels(targets: npt.NDArray[np.bool_], labels: Sequence[str]) -> list[str]:
    """Say of which labels little can be told: those of all images, of one image, and those that are always together.

    `targets` is bool [n, c], which labels each image has.
    """
    count, positives = len(targets), targets.sum(0)
    notes = []
    if everywhere := _named(labels, positives == count):
        notes.append(
            f"All images have {everywhere}: the model says so of every image; add images without "
            f"{'it' if (positives == count).sum() == 1 else 'them'}."
        )
    rare = (positives > 0) & (positives < LEAST_OF_EACH) & (positives < count)
    if single := _named(labels, rare):
        have = "is on one image alone" if rare.sum() == 1 else "are on one image each"
        notes.append(f"{single} {have}: trained on, but not in the cross-validated averages.")
    lacking = (count - positives < LEAST_OF_EACH) & (positives < count) & ~rare
    if nearly := _named(labels, lacking):
        have = "is on all images but one" if lacking.sum() == 1 else "are on all images but one"
        notes.append(f"{nearly} {have}: trained on, but not in the cross-validated averages.")
    same = [group for group in _groups(targets) if len(group) > 1]
    notes += [
        f"{join_names([f'`{labels[number]}`' for number in group])} are on the very same images: the model cannot tell "
        "them apart."
        for group in same
    ]
    return notes


def describe_not_promised(labels: Sequence[str], missed: Sequence[int], min_precision: float) -> list[str]:
    """Say which labels are never predicted, as no threshold has the precision that was asked for."""
    if not len(missed):
        return []
    named = join_names([f"`{labels[number]}`" for number in missed])
    why = f"for which a precision of {min_precision:g} cannot be promised"
    return [f"Never predicted: {named}, {why}; add images, or ask for less."]


def describe_label_estimate(metrics: MultiLabelMetrics | None, count: int, least: int) -> list[str]:
    """Say why there is no estimate by `count` images, where that takes `least`; or of which labels it is bad."""
    if metrics is None:
        return [f"{count} images are too few to say how good the model is: that takes {least}, better 30."]
    guessed = [entry for entry in metrics.labels if _is_guessing(entry, metrics.example_count)]
    if not guessed:
        return []
    named = join_names([f"`{entry.label}`" for entry in guessed])
    note = f"While held out, the model tells {named} no better than guessing: the images do not show it"
    return [f"{note}, or labels are mixed up; look at them with `client review`."]


def _is_guessing(entry: LabelMetrics, count: int) -> bool:
    """Return whether predictions of a label are no better than its frequency, by log-loss and by average precision."""
    if entry.average_precision is None or count < _LEAST_GUESSED:
        return False
    share = entry.example_count / count
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    return bool(entry.log_loss >= entropy and entry.average_precision <= share)


def _named(labels: Sequence[str], chosen: npt.NDArray[np.bool_]) -> str:
    return join_names([f"`{labels[number]}`" for number in np.flatnonzero(chosen).tolist()])


def _groups(targets: npt.NDArray[np.bool_]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = {}
    for number, column in enumerate(targets.T):
        if not column.all():
            groups.setdefault(column.tobytes(), []).append(number)
    return list(groups.values())
