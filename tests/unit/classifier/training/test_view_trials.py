"""What is said of a view that only a sample has."""

import numpy as np
import pytest

from lastlayer.classifier.fitting.pca import MAX_COLUMNS
from lastlayer.classifier.training.progress import TrainingCancelledError
from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.trainer import train
from lastlayer.classifier.training.view_trials import try_views
from lastlayer.rpc.vectors import View

CROP, WHOLE = View.CROP, View.WHOLE


def features(count: int, **strengths: float) -> tuple[list[TapFeatures], list[str]]:
    """Return features of views of examples of four classes, that tell these apart as much as the strengths say."""
    random = np.random.default_rng(3)
    y = np.arange(count) % 4
    centres = random.normal(size=(4, 12))
    taps = [
        TapFeatures(
            "tap",
            False,
            np.abs(strength * centres[y] + random.normal(size=(count, 12))).astype(np.float32),
            View[name.upper()],
        )
        for name, strength in strengths.items()
    ]
    return taps, [f"class {number}" for number in y]


def test_a_better_view_is_told_of() -> None:
    tried = try_views(*features(64, crop=0.0, whole=3.0), lambda: False)
    assert [trial.views for trial in tried.trials] == [(CROP,), (WHOLE,), (CROP, WHOLE)]
    assert not any(trial.chosen for trial in tried.trials)
    [note] = tried.notes
    assert note.startswith("On a sample of 64 images, the whole image in place of its centre brings the log-loss from ")
    assert note.endswith(": `client train DATA --views crop,whole` would have that.")


def test_two_views_that_are_better_together_are_told_of() -> None:
    [note] = try_views(*features(160, crop=1.0, whole=1.0), lambda: False).notes
    assert "the whole image beside its centre" in note


@pytest.mark.parametrize("strengths", [{"crop": 3.0, "whole": 0.0}, {"crop": 0.0, "whole": 0.0}])
def test_a_view_that_is_not_better_is_only_among_the_trials(strengths: dict[str, float]) -> None:
    tried = try_views(*features(64, **strengths), lambda: False)
    assert len(tried.trials) == 3
    assert tried.notes == ()


def test_few_examples_say_nothing() -> None:
    assert try_views(*features(20, crop=0.0, whole=3.0), lambda: False).trials == ()
    taps, _ = features(40, crop=0.0, whole=3.0)
    assert try_views(taps, ["one"] * 40, lambda: False).trials == ()
    assert try_views(taps, [f"class {number}" for number in range(40)], lambda: False).notes == ()


def test_it_ends_once_the_training_is_cancelled() -> None:
    with pytest.raises(TrainingCancelledError):
        try_views(*features(64, crop=0.0, whole=3.0), lambda: True)


@pytest.mark.parametrize("count", [200, 1400], ids=["all together", "views chosen by a sample"])
def test_training_takes_the_better_view_and_its_head_that_of_its_view(count: int) -> None:
    taps, labels = features(count, crop=0.3, whole=3.0)
    copies = [TapFeatures(tap.name, False, tap.values.copy(), tap.view) for tap in taps]
    trained = train(copies, labels, Recipe.AUTO, progress=lambda *_: None, cancelled=lambda: False)
    assert trained.head.views == (WHOLE,)
    alone = train(
        [TapFeatures("tap", False, taps[1].values.copy())],
        labels,
        Recipe.AUTO,
        progress=lambda *_: None,
        cancelled=lambda: False,
    )
    if count > MAX_COLUMNS:
        np.testing.assert_allclose(trained.head.weights, alone.head.weights, rtol=1e-3, atol=1e-4)
    else:  # the one that had nothing to choose is averaged with a discriminant
        vectors = {"tap": taps[1].values}
        same = trained.head.score(vectors)[0].argmax(1) == alone.head.score(vectors)[0].argmax(1)
        assert same.mean() > 0.95
