"""What is kept of training images, and how often images like them are taken to be others."""

import numpy as np
import pytest
from scipy.stats import betabinom

from lastlayer.classifier.domain.drift import reference as references
from lastlayer.classifier.domain.drift.reference import BLOCK, WINDOWS, DriftReference
from lastlayer.classifier.domain.drift.signals import DIRECTIONS, Kind, project
from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.familiarity import Familiarity
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.evaluation import drift
from lastlayer.classifier.evaluation.drift import find_limits, sample_features, summarize
from lastlayer.classifier.prediction.drift.monitor import DriftMonitor

DIMENSION = 64


def head(*, threshold: float = 0.0, familiarity: Familiarity | None = None) -> Head:
    weights = np.random.default_rng(1).normal(size=(DIMENSION, 3)).astype(np.float32)
    return Head(
        ("tap",),
        unit_length=True,
        classes=("a", "b", "c"),
        weights=3 * weights,
        biases=np.zeros(3, np.float32),
        l1=0.0,
        l2=1.0,
        threshold=threshold,
        familiarity=familiarity,
    )


def features(random: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Features as a rectifier makes them, of two kinds of images, some of which are equal."""
    values = random.gamma(0.5, 1, (count, DIMENSION)).astype(np.float32)
    values[random.random(count) < 0.3, :16] += 1
    values[random.random(count) < 0.1] = 0.25
    return {"tap": values}


def summarized(random: np.random.Generator, count: int, own: Head) -> DriftReference:
    known = features(random, count)
    return summarize(own, known, own.probabilities(known), 0.0)


def measured(reference: DriftReference, own: Head, by_tap: dict[str, np.ndarray]) -> np.ndarray:
    vectors = own.stack(by_tap)
    probabilities, distances, _ = own.score_stacked(vectors)
    return reference.measure(own, by_tap, vectors, probabilities, distances)


@pytest.mark.parametrize("count", [20, 150, 3000])
def test_a_limit_is_passed_with_the_probability_that_was_asked_for_at_most(count: int) -> None:
    level = 1e-6
    limits = find_limits(count, level, 0.0)
    for row, blocks in enumerate(WINDOWS):
        size = blocks * BLOCK
        for column, share in enumerate(limits.shares):
            rank = round(share * (count + 1))
            least, most = int(limits.least[row, column]), int(limits.most[row, column])
            counts = np.arange(size + 1)
            exact = betabinom.pmf(counts, size, rank, count + 1 - rank)
            assert exact[: least + 1].sum() <= level
            assert exact[most:].sum() <= level
            # Of images that are drawn from as few as were trained on the limits are as near as they may be.
            repeated = betabinom.pmf(counts, size, rank / 2, (count + 1 - rank) / 2)
            assert repeated[: least + 1].sum() <= level < repeated[: least + 2].sum() * (1 + 1e-6)
            assert repeated[most:].sum() <= level < repeated[most - 1 :].sum() * (1 + 1e-6)


def test_a_margin_moves_the_limits_outwards() -> None:
    strict, lax = find_limits(500, 1e-6, 0.0), find_limits(500, 1e-6, 0.05)
    assert (lax.most >= strict.most).all()
    assert (lax.least <= strict.least).all()
    assert (lax.most[:, 7] > strict.most[:, 7]).all()


@pytest.mark.parametrize(("worth", "repeated"), [(1.0, False), (0.5, True)], ids=["all different", "repeated"])
def test_the_rate_of_false_alarms_is_what_it_says(
    monkeypatch: pytest.MonkeyPatch, worth: float, repeated: bool
) -> None:
    """At a rate that can be counted: of 800 blocks 0.1 * 800 = 80 may be false, whatever is drawn.

    Each reference is drawn anew, as the rate is one over training images and others; a tenth of all images are equal,
    and the tests overlap, so that it is kept by far. Images that are all different need no allowance for repetitions.
    """
    monkeypatch.setattr(drift, "FALSE_ALARMS_PER_MILLION", 0.1 * 1e6 / BLOCK)
    monkeypatch.setattr(drift, "_WORTH", worth)
    false = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        own = head()
        reference = summarized(random, 120, own)
        watch = DriftMonitor().begin(ServedVersion(seed, "m", 1, "net", "d"), reference)
        coming = measured(reference, own, features(random, 120 if repeated else 40 * BLOCK))
        for block in range(40):
            rows = random.integers(0, 120, BLOCK) if repeated else np.arange(block * BLOCK, (block + 1) * BLOCK)
            watch.add(coming[rows])
            false += max(found.level for found in watch.report().levels) >= 1
    assert 0 < false <= 80


def test_scores_of_a_slightly_better_head_are_no_drift() -> None:
    """Out of fold the probabilities are of heads with fewer examples."""
    random = np.random.default_rng(3)
    own = head()
    known = features(random, 400)
    worse = 0.96 * own.probabilities(known) + 0.04 / 3
    reference = summarize(own, known, worse, 0.0)
    watch = DriftMonitor().begin(ServedVersion(1, "m", 1, "net", "d"), reference)
    watch.add(measured(reference, own, features(random, 5000)))
    assert watch.report().alarm_count == 0


def test_with_a_dozen_images_nothing_can_be_told() -> None:
    reference = summarized(np.random.default_rng(0), 12, head())
    assert (reference.signals, reference.count) == ((), 12)
    assert DriftReference.from_bytes(reference.to_bytes()).signals == ()


def test_without_images_out_of_fold_features_alone_are_compared() -> None:
    own, known = head(threshold=0.5), features(np.random.default_rng(0), 100)
    reference = summarize(own, known, None, 0.0)
    kinds = {signal.kind for signal in reference.signals}
    assert kinds == {Kind.DISTANCE, Kind.FEATURES, Kind.STRENGTH}
    assert measured(reference, own, known).shape == (100, len(reference.signals))


def test_what_is_rejected_out_of_fold_is_counted_at_its_most() -> None:
    own = head(
        threshold=0.6,
        familiarity=Familiarity(np.eye(DIMENSION, 2, dtype=np.float32), np.zeros(DIMENSION, np.float32), 9.0),
    )
    known = features(np.random.default_rng(0), 200)
    probabilities = own.probabilities(known)
    reference = summarize(own, known, probabilities, 0.05)
    improbable = (probabilities.max(1) < 0.6).mean()
    assert reference.unknown_share == pytest.approx(improbable + 0.05)
    assert Kind.UNKNOWN in {signal.kind for signal in reference.signals}


def test_it_takes_some_kilobytes_and_comes_back_as_it_was() -> None:
    own = head(threshold=0.4)
    reference = summarized(np.random.default_rng(0), 5000, own)
    stored = reference.to_bytes()
    assert len(stored) < 8000
    read = DriftReference.from_bytes(stored)
    assert (read.signals, read.count, read.held_out_count) == (reference.signals, 5000, 5000)
    np.testing.assert_array_equal(read.cuts, reference.cuts)
    for held_out, limits in reference.limits.items():
        np.testing.assert_array_equal(read.limits[held_out].most, limits.most)
        np.testing.assert_array_equal(read.limits[held_out].least, limits.least)
        np.testing.assert_array_equal(read.limits[held_out].shares, limits.shares)


@pytest.mark.parametrize(
    "damage", [lambda s: s[:-9] + s[-8:], lambda s: b"x" + s[1:], lambda s: b"", lambda s: s + b"1"]
)
def test_what_is_damaged_is_not_read(damage) -> None:
    stored = summarized(np.random.default_rng(0), 50, head()).to_bytes()
    with pytest.raises(StoreCorruptError):
        DriftReference.from_bytes(damage(stored))


def test_of_many_images_a_sample_is_summed_up() -> None:
    many = {"a": np.arange(9000, dtype=np.float32)[:, None], "b": np.arange(9000, dtype=np.float32)[:, None]}
    some = sample_features(many)
    assert some["a"].shape == (4000, 1)
    np.testing.assert_array_equal(some["a"], some["b"])
    some = {"a": np.zeros((2000, 1), np.float32)}
    assert sample_features(some)["a"] is not some["a"]  # which a training may overwrite
    few = {"a": np.zeros((3, 1), np.float32)}
    assert sample_features(few) is few


def test_directions_are_the_same_everywhere() -> None:
    """A version that is stored is compared in them by later releases and other machines."""
    projected = project(np.eye(70, dtype=np.float32))
    assert projected.shape == (70, DIRECTIONS)
    assert set(np.unique(projected)) == {-1.0, 0.0, 1.0}
    assert (np.count_nonzero(projected, axis=1) == 1).all()
    assert projected.sum(1)[:12].tolist() == PINNED
    assert project(np.ones((2, 5), np.float32)).shape == (2, 5)


PINNED = [-1, 1, 1, -1, 1, 1, 1, 1, 1, -1, 1, -1]


def test_windows_fit_into_the_longest() -> None:
    assert references.WINDOWS[-1] * BLOCK <= 450
