"""Sums up the training images of a version, so that it is known when other images come.

The test is that of exceedances. How many of n new images lie below the r-th smallest of m training images follows the
beta-binomial distribution with the parameters r and m + 1 - r, whatever is measured and however that is distributed, as
long as training images and new ones are of one kind and independent (Balakrishnan and Ng, Precedence-Type Tests and
Applications, 2006). That the training images are a sample, too, is in it.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.domain.drift.reference import (
    BLOCK,
    FALSE_ALARMS_PER_MILLION,
    LEAST_EXAMPLES,
    WINDOWS,
    DriftReference,
    Limits,
    signals_of,
)
from lastlayer.classifier.domain.drift.signals import Sample, Scale, measure_features, measure_scores, project
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.fitting.pca import MAX_COLUMNS

MOST_EXAMPLES: Final = 4000
"""Of more training images a sample is summed up: windows are at most 450 images, and by far the less sure part."""

_SEED: Final = 20240229

_CUTS: Final = np.array([0.01, 0.02, 0.05, *np.linspace(0.1, 0.9, 9), 0.95, 0.98, 0.99])
"""Below which shares of the training images the cuts lie."""

_WORTH: Final = 0.5
"""How many images a training image counts for. Were it 1, the rate would hold for images that are all different. What
comes may be the same images again and again: drawn from as many as were trained on, they differ from the training
images by as much as these do from the world, in every window. In 1.7 million images, drawn from 1,900 thumbnails at a
time, there were three alarms with 1."""

_MARGIN: Final = 0.05
"""By how much more or less of new images may lie below a cut, where the training images were scored out of fold. The
heads of the folds had fewer examples than the head that predicts: with 25 to 2,158 thumbnails of flowers the mean
probability of the best class was between 0.015 higher and 0.011 lower out of fold than on others."""

_Floats = npt.NDArray[np.float32]


def sample_features(features: Mapping[str, _Floats]) -> Mapping[str, _Floats]:
    """Return the features, float32 [n, d] each, of at most `MOST_EXAMPLES` images, the same of all.

    They are copies where a training may overwrite what it is given (see `fitting.pca.is_overwritten`).
    """
    count = len(next(iter(features.values()), ()))
    if count <= MAX_COLUMNS:
        return features
    rows = np.sort(np.random.default_rng(_SEED).permutation(count)[:MOST_EXAMPLES])
    return {name: values[rows] for name, values in features.items()}


def summarize(
    head: Head,
    by_tap: Mapping[str, _Floats],
    held_out: Array | None,
    unfamiliar_share: float,
) -> DriftReference:
    """Return the reference of a head, by its training images or a sample of them.

    `by_tap` are the vectors of the network at the head's taps, float32 [n, d] each. `held_out` are the probabilities of
    m images out of fold, float64 [m, c]; None where nothing was validated. `unfamiliar_share` is the share of them that
    is too far away.
    """
    vectors = head.stack(by_tap)
    projections = project(vectors)
    count, validated = len(vectors), len(held_out) if held_out is not None else 0
    fitted, half = np.array_split(np.random.default_rng(_SEED).permutation(count), 2)
    scale = Scale.of(projections[fitted])
    if count < LEAST_EXAMPLES:
        return DriftReference(count, validated, (), scale, np.zeros((0, len(_CUTS)), np.float32), {}, 0.0)
    rejects = bool(head.threshold) or head.familiarity is not None
    signals = signals_of(head.taps, validated=validated >= LEAST_EXAMPLES, rejects=rejects)
    measured = measure_features(by_tap, head.taps, projections, scale.distances(projections))
    # The distance comes first: those by which it is scaled are nearer than others.
    cuts = [_find_cuts(measured[half, :1]), _find_cuts(measured[:, 1:])]
    samples, unknown_share = {Sample.ALL: count, Sample.HALF: len(half)}, 0.0
    if held_out is not None and validated >= LEAST_EXAMPLES:
        rejected, unknown_share = _reject(head, held_out, unfamiliar_share)
        cuts.insert(0, _find_cuts(measure_scores(held_out, rejected, rejects=rejects)))
        samples[Sample.HELD_OUT] = validated
    tests = len(signals) * len(_CUTS) * len(WINDOWS) * 2
    level = FALSE_ALARMS_PER_MILLION * BLOCK / 1e6 / tests
    limits = {
        sample: find_limits(of, level, _MARGIN if sample is Sample.HELD_OUT else 0.0) for sample, of in samples.items()
    }
    return DriftReference(count, validated, signals, scale, np.vstack(cuts), limits, unknown_share)


def find_limits(count: int, level: float, margin: float) -> Limits:
    """Return the limits of windows of new images, by `count` training images.

    Each of them is passed with a probability of at most `level`, also where what comes is drawn from as few images as
    that. With a `margin` that much more or less of the new images may lie below each cut.
    """
    from scipy.stats import betabinom

    ranks = _ranks(count)
    moved = margin * (count + 1)
    total = _WORTH * (count + 1)
    fewer, more = _WORTH * np.maximum(ranks - moved, 0), _WORTH * np.minimum(ranks + moved, count + 1)
    least, most = np.full((2, len(WINDOWS), len(ranks)), -1, np.int32)
    for row, blocks in enumerate(WINDOWS):
        size = blocks * BLOCK
        seen = np.arange(size + 1)[:, None]
        most[row] = size + 1
        known = fewer > 0
        below = np.exp(betabinom.logpmf(seen, size, fewer[known], total - fewer[known])).cumsum(0)
        least[row, known] = (below <= level).sum(0) - 1
        known = more < total
        above = np.exp(betabinom.logpmf(seen, size, more[known], total - more[known]))[::-1].cumsum(0)
        most[row, known] = size + 1 - (above <= level).sum(0)
    return Limits(ranks / (count + 1), least, most)


def _ranks(count: int) -> npt.NDArray[np.intp]:
    """Return which of `count` training images, by their order, are the cuts, from 1 to `count`."""
    ranks: npt.NDArray[np.intp] = np.clip((_CUTS * (count + 1)).round(), 1, count).astype(np.intp)
    return ranks


def _find_cuts(values: _Floats) -> _Floats:
    """Return the cuts of signals, float32 [n, s], as float32 [s, c]."""
    cuts: _Floats = np.sort(values, axis=0)[_ranks(len(values)) - 1].T
    return cuts


def _reject(head: Head, held_out: Array, unfamiliar_share: float) -> tuple[npt.NDArray[np.bool_], float]:
    """Return which images are rejected out of fold, bool [m], and their share.

    Which of them are too far away is not known, but how many: they are taken to be others than those whose
    probability, of float64 [m, c], is too low. That is the most that are rejected.
    """
    improbable = held_out.max(1) < head.threshold
    more = int(np.ceil(unfamiliar_share * len(improbable))) if head.familiarity is not None else 0
    accepted = np.flatnonzero(~improbable)
    rejected = improbable.copy()
    rejected[accepted[:more]] = True
    return rejected, float(rejected.mean())
