"""What a user should know of a training beside its numbers, one sentence a note."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from lastlayer.classifier.evaluation.metrics import Metrics

_NAMED: Final = 5
"""How many classes a note names."""


def describe_single_examples(labels: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Say which classes have one example alone: such a class cannot be held out."""
    counts = dict.fromkeys(classes, 0)
    for label in labels:
        counts[label] += 1
    single = [label for label, count in counts.items() if count == 1]
    if not single:
        return []
    if len(single) == len(classes):
        return ["Each class has only one example: nothing can be validated, and how good the model is is not known."]
    if len(single) == 1:
        return [f"`{single[0]}` has only one example: it is trained on, but not in the cross-validated estimate."]
    named = join_names([f"`{label}`" for label in single])
    return [f"{named} have only one example each: they are trained on, but not in the cross-validated estimate."]


def describe_sample(validated_count: int, sample_count: int, count: int) -> list[str]:
    """Say that the head was fitted on all of `count` examples but those that it was validated on; nothing for 0."""
    if not count:
        return []
    fitted = f"The model was fitted on {count - validated_count:,} of {count:,} examples"
    return [f"{fitted}, estimated on the others, and its penalty chosen on {sample_count:,}."]


def describe_estimate(metrics: Metrics | None, count: int, *, least: int) -> list[str]:
    """Say why there is no estimate by `count` held-out examples, which classes are never predicted, or that it is bad.

    An estimate takes `least` examples. A class that is never predicted is hidden by accuracy where it is rare.
    """
    if metrics is not None:
        predicted = np.array(metrics.confusion_matrix).sum(0)
        pairs = zip(metrics.classes, predicted, strict=True)
        missed = [entry for entry, times in pairs if entry.example_count and not times]
        notes = []
        if missed:
            named = join_names([f"`{entry.label}` ({entry.example_count} examples)" for entry in missed])
            advice = "add examples, or train with `--class-weight balanced`"
            notes.append(f"Never predicted while held out: {named}; {advice}.")
        if _is_guessing(metrics):
            notes.append(
                "While held out, the model is not better than guessing: the images do not show what tells the classes "
                "apart, or labels are mixed up; look at them with `client review`."
            )
        return notes
    if not count:
        return []
    if count < least:
        return [f"{count} examples are too few to say how good the model is: that takes {least}, better 30."]
    note = f"The model is not better than guessing on {count} held-out examples, too few to be sure of that"
    return [f"{note}: add examples to know how good it is."]


def describe_unfamiliar(share: float, *, found: bool) -> list[str]:
    """Say how many examples it takes to tell what is unlike them, where that was wanted and not `found`."""
    if not share or found:
        return []
    needed = int(np.ceil(1 / share))
    note = f"The examples are too few to tell what is unlike them: that takes {needed} that can be held out"
    return [f"{note}, to reject a share of {share:g} of them."]


def _is_guessing(metrics: Metrics) -> bool:
    """Return whether predictions are no better than the classes' frequencies, by log-loss and by recall.

    Log-loss alone does not tell: with balanced weights a useful head may have a worse one than the frequencies have.
    """
    classes = sum(entry.example_count > 0 for entry in metrics.classes)
    return metrics.log_loss_reduction is not None and (
        metrics.log_loss_reduction <= 0 and metrics.macro_accuracy <= 1 / classes
    )


def join_names(names: Sequence[str]) -> str:
    """Return names as a sentence has them, the first of many."""
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
