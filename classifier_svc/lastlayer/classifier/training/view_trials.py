"""What another view of the images would bring, by a sample of them that has features of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.domain.views import candidate_views, mean_over
from lastlayer.classifier.fitting.threads import one_thread
from lastlayer.classifier.training.auto.trainer import AutoTrainer
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import TapFeatures
from lastlayer.classifier.training.search.scans import Trial
from lastlayer.rpc.vectors import View, place

_LEAST_EXAMPLES: Final = 30
"""With fewer held-out examples nothing is said."""

_LEAST_GAIN: Final = 0.02
_LEAST_ERRORS: Final = 2.0
"""A log-loss that is lower by so many nats, and by so many of its standard errors, is worth a sentence."""


@dataclass(frozen=True)
class ViewTrials:
    """How heads on several views do on a sample."""

    trials: tuple[Trial, ...] = ()
    """None is chosen: the version is trained on all examples, which have one view."""
    notes: tuple[str, ...] = ()
    """What the other view would bring, in one sentence, where that is sure enough."""


@dataclass(frozen=True)
class _Tried:
    trial: Trial
    losses: Array
    """float64 [m], of the validated examples."""
    correct: Array
    """float64 [m]."""


def try_views(taps: Sequence[TapFeatures], labels: Sequence[str], cancelled: Callable[[], bool]) -> ViewTrials:
    """Cross-validate heads on the crop and on the whole image of n examples, and on the mean of the two.

    Raises TrainingCancelledError soon after `cancelled` turns true.
    """
    classes = list(dict.fromkeys(labels))
    y = np.array([classes.index(label) for label in labels], np.intp)
    if len(classes) < 2 or len(y) < _LEAST_EXAMPLES:
        return ViewTrials()
    vectors = {place(tap.name, tap.view): tap.values for tap in taps}
    names = dict.fromkeys(tap.name for tap in taps)
    progress = TrainingProgress(lambda _message, _share: None, cancelled)
    found = []
    with one_thread():  # as in training
        for views in candidate_views(tuple(dict.fromkeys(tap.view for tap in taps))):
            seen = [TapFeatures(name, False, mean_over(vectors, name, views)) for name in names]
            found.append(_try(seen, views, y, len(classes), progress))
    own, *others = found
    if len(own.losses) < _LEAST_EXAMPLES:
        return ViewTrials()
    # Beside the crop, the whole image takes a second pass for each prediction: that has to pay.
    best = min(others, key=lambda tried: _mean_loss(tried) + _LEAST_GAIN * (len(tried.trial.views) - 1))
    return ViewTrials(tuple(tried.trial for tried in found), tuple(_describe(own, best)))


def _try(
    taps: Sequence[TapFeatures], views: tuple[View, ...], y: Indices, class_count: int, progress: TrainingProgress
) -> _Tried:
    searched = AutoTrainer(taps, y, class_count, np.ones(len(y)), progress).search()
    validation = searched.validate()
    probabilities, own = softmax(validation.logits), y[validation.rows]
    losses = -np.log(np.maximum(probabilities[np.arange(len(own)), own], 1e-15))
    [trial] = searched.trials or [Trial(searched.taps, 0.0, 0.0, 0.0, 0, False)]
    return _Tried(replace(trial, views=views, chosen=False), losses, (probabilities.argmax(1) == own).astype(float))


def _mean_loss(tried: _Tried) -> float:
    return float(tried.losses.mean())


def _describe(own: _Tried, other: _Tried) -> list[str]:
    """Say what the other views bring, where they are better than the own one for sure."""
    gains = own.losses - other.losses
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    if gain < max(_LEAST_GAIN, _LEAST_ERRORS * error):
        return []
    how = "beside" if View.CROP in other.trial.views else "in place of"
    return [
        (
            f"On a sample of {len(gains)} images, the whole image {how} its centre brings the log-loss from "
            f"{_mean_loss(own):.2f} to {_mean_loss(other):.2f} and the accuracy from {own.correct.mean():.2f} to "
            f"{other.correct.mean():.2f}: `client train DATA --views crop,whole` would have that."
        )
    ]
