"""The recipes on datasets of all sizes, through the one function that trains."""

import numpy as np
import pytest

from lastlayer.classifier.domain.errors import DatasetNotTrainableError, RecipeNotSupportedError
from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.domain.types import Backbone, Tap
from lastlayer.classifier.training.progress import TrainingCancelledError
from lastlayer.classifier.training.recipes import ClassWeight, Preference, Recipe, TapFeatures
from lastlayer.classifier.training.trained import Trained
from lastlayer.classifier.training.trainer import needed_taps, train


def taps_for(labels: list[str], *, noise: float = 0.5, scores: bool = True) -> list[TapFeatures]:
    """Return features of which the tap `good` tells the labels apart, and `bad` does not."""
    random = np.random.default_rng(1)
    classes = sorted(set(labels))
    centres = random.normal(size=(len(classes), 24))
    y = np.array([classes.index(label) for label in labels], np.intp)
    good = centres[y] + noise * random.normal(size=(len(labels), 24)) if labels else np.zeros((0, 24))
    taps = [
        TapFeatures("bad", False, random.normal(size=(len(labels), 12)).astype(np.float32)),
        TapFeatures("good", False, good.astype(np.float32)),
    ]
    if scores:
        taps.append(TapFeatures("scores", True, (3 * good[:, :10]).astype(np.float32)))
    return taps


class Switch:
    """Says that the training is cancelled when it is asked for the `off_at`-th time."""

    def __init__(self, off_at: int | None) -> None:
        self.asked = 0
        self._off_at = off_at

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked == self._off_at


def train_quietly(
    taps: list[TapFeatures],
    labels: list[str],
    recipe: Recipe = Recipe.AUTO,
    *,
    class_weight: ClassWeight = ClassWeight.NONE,
    min_precision: float = 0.0,
    preference: Preference = Preference.QUALITY,
    compare: bool = False,
) -> Trained:
    return train(
        taps,
        labels,
        recipe,
        class_weight=class_weight,
        min_precision=min_precision,
        preference=preference,
        compare=compare,
        progress=lambda message, share: None,
        cancelled=lambda: False,
    )


@pytest.mark.parametrize("each", [2, 3, 10, 40])
@pytest.mark.parametrize("recipe", list(Recipe))
def test_both_recipes_learn_from_few_and_from_many(each: int, recipe: Recipe) -> None:
    labels = ["cat", "dog", "bird"] * each
    taps = taps_for(labels, noise=0.2)
    trained = train_quietly(taps, labels, recipe, compare=True)
    assert trained.head.classes == ("cat", "dog", "bird")
    assert trained.head.taps == (("bad", "good") if recipe is Recipe.AUTO else ("scores",))
    probabilities = trained.head.probabilities({tap.name: tap.values for tap in taps})
    assert [trained.head.classes[best] for best in probabilities.argmax(1)] == labels
    assert trained.cross_validation is not None
    assert trained.cross_validation.example_count == len(labels)
    assert [estimate.recipe for estimate in trained.comparisons] == [
        Recipe.TUTORIAL if recipe is Recipe.AUTO else Recipe.AUTO
    ]


def test_recipes_are_compared_on_request_alone() -> None:
    labels = ["a", "b"] * 6
    assert train_quietly(taps_for(labels), labels).comparisons == ()


def test_for_speed_the_cheapest_taps_are_chosen_that_are_about_the_best() -> None:
    labels = ["cat", "dog", "bird"] * 20
    taps = taps_for(labels, noise=0.2)
    trained = train_quietly(taps, labels, preference=Preference.SPEED)
    assert trained.head.taps == ("good",)
    assert [trial.taps for trial in trained.trials] == [("bad",), ("good",), ("bad", "good")]


def test_roots_are_taken_where_nothing_is_negative() -> None:
    labels = ["a", "b", "c"] * 10
    signed = taps_for(labels, scores=False)
    rectified = [TapFeatures(tap.name, False, np.maximum(tap.values, 0)) for tap in signed]
    assert not train_quietly(signed, labels).head.square_root
    trained = train_quietly(rectified, labels)
    assert trained.head.square_root
    features = {tap.name: tap.values for tap in rectified}
    by_hand = np.hstack([np.sqrt(tap.values) for tap in rectified])
    parts = np.split(by_hand, [12], axis=1)
    by_hand = np.hstack([part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts])
    logits = by_hand @ trained.head.weights + trained.head.biases
    assert trained.head.probabilities(features) == pytest.approx(softmax(logits.astype(np.float64)), abs=1e-6)


def test_a_class_that_is_never_predicted_is_named() -> None:
    labels = ["common"] * 100 + ["rare"] * 5
    trained = train_quietly(taps_for(labels, noise=30.0, scores=False), labels)
    assert trained.cross_validation is not None
    assert trained.cross_validation.classes[1].recall == 0
    assert (
        "Never predicted while held out: `rare` (5 examples); add examples, or train with `--class-weight balanced`."
        in trained.notes
    )


def test_images_of_which_the_network_makes_the_same_are_named() -> None:
    labels = ["a", "b", "c"] * 10
    same = [TapFeatures(name, False, np.full((30, 8), 0.3, np.float32)) for name in ("one", "two")]
    for preference in Preference:
        assert any(
            "makes the same of all images" in note for note in train_quietly(same, labels, preference=preference).notes
        )


def test_the_tutorial_uses_raw_scores_and_its_penalties() -> None:
    labels = ["a", "b"] * 6
    head = train_quietly(taps_for(labels), labels, Recipe.TUTORIAL).head
    assert (head.unit_length, head.l1, head.l2) == (False, 1.0, 1.0)


def test_what_cannot_be_told_apart_is_not_promised() -> None:
    """The estimate repeats the choice in each fold: on noise it must not look better than guessing."""
    random = np.random.default_rng(8)
    labels = ["a", "b"] * 40
    noise = [TapFeatures(f"tap{n}", False, random.normal(size=(80, 30)).astype(np.float32)) for n in range(4)]
    metrics = train_quietly(noise, labels).cross_validation
    assert metrics is not None
    assert metrics.log_loss > 0.65
    assert 0.3 < metrics.micro_accuracy < 0.7


@pytest.mark.parametrize(
    ("classes", "each"),
    [(2, 5), (5, 2), pytest.param(5, 3, marks=pytest.mark.long), pytest.param(5, 5, marks=pytest.mark.long)],
)
def test_the_estimate_of_very_small_sets_is_near_what_is_true(classes: int, each: int) -> None:
    """Means over draws: accuracy and log-loss as they are on new examples, and never below chance."""
    random = np.random.default_rng(7)
    estimates, truths, covered = [], [], []
    for _ in range(25):
        centres = random.normal(size=(classes, 10))
        y = np.arange(classes * each) % classes
        new = np.arange(400) % classes
        seen, unseen = (centres[of] + random.normal(size=(len(of), 10)) for of in (y, new))
        tap = TapFeatures("tap", False, seen.astype(np.float32))
        trained = train_quietly([tap], [f"class {number}" for number in y])
        if trained.cross_validation is None:
            continue
        estimates.append(trained.cross_validation.micro_accuracy)
        found = trained.head.probabilities({"tap": unseen.astype(np.float32)}).argmax(1)
        truths.append((found == new).mean())
        interval = trained.cross_validation.micro_accuracy_interval
        assert interval is not None
        covered.append(interval[0] <= truths[-1] <= interval[1])
    assert len(estimates) >= 20
    assert min(estimates) >= 1 / classes
    assert np.mean(estimates) == pytest.approx(np.mean(truths), abs=0.16)
    assert np.mean(covered) >= 0.8


def test_too_few_examples_for_an_estimate_are_said() -> None:
    labels = ["a", "b"] * 2
    trained = train_quietly(taps_for(labels), labels)
    assert trained.cross_validation is None
    assert trained.notes == ("4 examples are too few to say how good the model is: that takes 6, better 30.",)


def test_an_estimate_below_chance_of_few_examples_is_none() -> None:
    random = np.random.default_rng(1)
    seen = set()
    for _ in range(8):
        tap = TapFeatures("noise", False, random.normal(size=(8, 6)).astype(np.float32))
        trained = train_quietly([tap], ["a", "b"] * 4)
        if trained.cross_validation is None:
            assert any("not better than guessing on 8 held-out examples" in note for note in trained.notes)
        else:
            assert trained.cross_validation.micro_accuracy >= 0.5
        seen.add(trained.cross_validation is None)
    assert seen == {True, False}


def test_a_class_of_one_example_is_trained_and_said() -> None:
    labels = ["a"] * 5 + ["b"] * 5 + ["only"]
    trained = train_quietly(taps_for(labels), labels)
    assert "only" in trained.head.classes
    assert any("`only` has only one example" in note for note in trained.notes)
    assert trained.cross_validation is not None
    assert trained.cross_validation.example_count == 10


def test_one_example_of_each_class_is_trained_without_an_estimate() -> None:
    labels = ["a", "b", "c"]
    taps = taps_for(labels)
    trained = train_quietly(taps, labels)
    assert trained.cross_validation is None
    assert trained.comparisons == ()
    assert trained.head.taps == ("bad", "good")
    assert trained.head.probabilities({tap.name: tap.values for tap in taps}).argmax(1).tolist() == [0, 1, 2]
    assert any("nothing can be validated" in note for note in trained.notes)


def test_a_class_that_cannot_be_validated_without_the_other() -> None:
    labels = ["a", "a", "b"]
    trained = train_quietly(taps_for(labels), labels)
    assert trained.out_of_fold is not None
    assert trained.out_of_fold.rows.tolist() == [0, 1]


def test_taps_that_tell_more_together_are_used_together() -> None:
    random = np.random.default_rng(3)
    y = np.arange(160) % 4
    halves = [y // 2, y % 2]
    taps = [
        TapFeatures(name, False, (np.eye(2)[half] + 0.3 * random.normal(size=(160, 2))).astype(np.float32))
        for name, half in zip(("coarse", "fine"), halves, strict=True)
    ]
    trained = train_quietly(taps, [f"class {number}" for number in y])
    assert trained.head.taps == ("coarse", "fine")
    assert trained.cross_validation is not None
    assert trained.cross_validation.micro_accuracy > 0.8


def test_one_class_a_hundred_times_as_large() -> None:
    labels = ["common"] * 200 + ["rare"] * 2
    trained = train_quietly(taps_for(labels, noise=0.2), labels)
    assert trained.cross_validation is not None
    assert trained.cross_validation.example_count == 202
    assert trained.cross_validation.macro_accuracy == 1


def test_more_examples_than_the_search_tries_all_candidates_on() -> None:
    labels = ["a", "b"] * 600
    trained = train_quietly(taps_for(labels, scores=False), labels, preference=Preference.SPEED)
    assert trained.head.taps == ("good",)
    assert trained.cross_validation is not None
    assert trained.cross_validation.example_count == 1200


def test_only_the_taps_that_are_used_are_needed() -> None:
    vector, scores = Tap("conv", False, 2), Tap("scores", True, 3)
    both, scores_alone = Backbone("b", "d", (vector, scores)), Backbone("b", "d", (scores,))
    assert set(needed_taps(both, Recipe.AUTO, compare=True)) == {"conv", "scores"}
    assert set(needed_taps(both, Recipe.TUTORIAL, compare=True)) == {"conv", "scores"}
    assert needed_taps(both, Recipe.AUTO, compare=False) == ["conv"]
    assert needed_taps(both, Recipe.TUTORIAL, compare=False) == ["scores"]
    assert needed_taps(scores_alone, Recipe.AUTO, compare=False) == ["scores"]


def test_a_backbone_of_class_scores_alone() -> None:
    labels = ["a", "b"] * 5
    trained = train_quietly(taps_for(labels)[2:], labels)
    assert (trained.head.taps, trained.head.unit_length) == (("scores",), True)


def test_features_that_are_all_the_same_are_told_by_their_frequencies() -> None:
    labels = ["a", "a", "b"] * 10
    trained = train_quietly([TapFeatures("same", False, np.ones((30, 4), np.float32))], labels)
    assert trained.cross_validation is not None
    assert trained.cross_validation.micro_accuracy == pytest.approx(2 / 3)
    same = {"same": np.ones((1, 4), np.float32)}
    assert trained.head.probabilities(same)[0] == pytest.approx([2 / 3, 1 / 3], abs=1e-3)


def test_two_hundred_classes_of_two() -> None:
    labels = [f"class {number}" for number in range(200)] * 2
    trained = train_quietly(taps_for(labels, noise=0.01, scores=False)[1:], labels)
    assert len(trained.head.classes) == 200
    assert trained.cross_validation is not None
    assert trained.cross_validation.micro_accuracy > 0.9


def test_many_classes() -> None:
    labels = [f"class {number}" for number in range(60)] * 3
    trained = train_quietly(taps_for(labels, noise=0.05, scores=False), labels)
    assert trained.cross_validation is not None
    assert trained.cross_validation.micro_accuracy > 0.9
    assert trained.comparisons == ()


@pytest.mark.parametrize(
    ("labels", "found"), [([], "no examples"), (["a", "a"], "only the class `a`")], ids=["none", "one class"]
)
def test_too_little_to_train_on_is_said(labels: list[str], found: str) -> None:
    with pytest.raises(DatasetNotTrainableError, match=found):
        train_quietly(taps_for(labels), labels)


def test_the_tutorial_needs_class_scores() -> None:
    labels = ["a", "b"] * 3
    with pytest.raises(RecipeNotSupportedError, match="class scores"):
        train_quietly(taps_for(labels, scores=False), labels, Recipe.TUTORIAL)


def test_progress_never_goes_back_and_ends_at_one() -> None:
    told: list[float] = []
    labels = ["a", "b"] * 10
    train(taps_for(labels), labels, Recipe.AUTO, progress=lambda _, share: told.append(share), cancelled=lambda: False)
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_cancelled_training_ends() -> None:
    labels = ["a", "b"] * 10
    with pytest.raises(TrainingCancelledError):
        train(taps_for(labels), labels, Recipe.AUTO, progress=lambda _m, _s: None, cancelled=lambda: True)


@pytest.mark.parametrize("recipe", list(Recipe))
def test_a_training_can_be_cancelled_at_any_step(recipe: Recipe) -> None:
    labels = ["a", "b"] * 4
    taps = taps_for(labels)
    whole = Switch(off_at=None)
    train(taps, labels, recipe, progress=lambda _m, _s: None, cancelled=whole)
    for step in np.linspace(1, whole.asked, 6).astype(int):
        switch = Switch(off_at=int(step))
        with pytest.raises(TrainingCancelledError):
            train(taps, labels, recipe, progress=lambda _m, _s: None, cancelled=switch)
        assert switch.asked == step


def test_the_same_examples_give_the_same_head() -> None:
    labels = ["a", "b", "c"] * 8
    first, second = (train_quietly(taps_for(labels), labels) for _ in range(2))
    assert first.head.weights.tobytes() == second.head.weights.tobytes()
    assert first.cross_validation == second.cross_validation


def test_balanced_weights_find_the_rare_class() -> None:
    labels = ["common"] * 300 + ["rare"] * 12
    taps = taps_for(labels, noise=3.0, scores=False)
    plain, balanced = (
        train_quietly(taps, labels, class_weight=weight).cross_validation
        for weight in (ClassWeight.NONE, ClassWeight.BALANCED)
    )
    assert plain is not None
    assert balanced is not None
    assert balanced.classes[1].recall > plain.classes[1].recall
    assert balanced.macro_accuracy > plain.macro_accuracy


def test_the_tutorial_takes_no_class_weights() -> None:
    labels = ["a", "b"] * 3
    with pytest.raises(RecipeNotSupportedError, match="use the recipe `auto`"):
        train_quietly(taps_for(labels), labels, Recipe.TUTORIAL, class_weight=ClassWeight.BALANCED)


def test_a_threshold_keeps_its_promise_on_held_out_examples() -> None:
    labels = ["a", "b", "c"] * 100
    trained = train_quietly(taps_for(labels, noise=2.0, scores=False), labels, min_precision=0.9)
    assert trained.rejection is not None
    assert trained.out_of_fold is not None
    assert trained.head.threshold == trained.rejection.threshold > 0
    accepted = trained.out_of_fold.probabilities.max(1) >= trained.rejection.threshold
    right = trained.out_of_fold.probabilities.argmax(1) == trained.out_of_fold.y
    assert right[accepted].mean() >= 0.9 > right.mean()
    assert trained.rejection_curve[0].precision == pytest.approx(right.mean())


def test_a_precision_that_no_threshold_has_is_refused_with_what_can_be_had() -> None:
    labels = ["a", "b", "c"] * 20
    noise = taps_for(labels, scores=False)[:1]
    with pytest.raises(
        DatasetNotTrainableError,
        match=r"precision of 1 cannot be promised with 60 examples; up to 0\.\d+ is possible; ask for less",
    ):
        train_quietly(noise, labels, min_precision=1.0)


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c", "d"]])
def test_a_threshold_needs_held_out_examples(labels: list[str]) -> None:
    with pytest.raises(DatasetNotTrainableError, match="nothing can be held out"):
        train_quietly(taps_for(labels), labels, min_precision=0.9)


def test_the_head_is_as_sure_as_it_was_right() -> None:
    """Held-out probabilities are calibrated, and the head's weights have the temperature in them."""
    random = np.random.default_rng(3)
    labels = [f"class {number}" for number in np.arange(300) % 3]
    taps = taps_for(labels, noise=2.0, scores=False)[1:]
    flipped = [labels[(row + 1) % 300] if random.random() < 0.25 else labels[row] for row in range(300)]
    trained = train_quietly(taps, flipped)
    assert trained.cross_validation is not None
    assert trained.cross_validation.expected_calibration_error < 0.1
    if trained.calibration is not None:
        assert trained.cross_validation.log_loss < trained.calibration.log_loss_before


def test_the_tutorial_stays_as_it_was_fitted() -> None:
    labels = ["a", "b"] * 60
    trained = train_quietly(taps_for(labels, noise=2.0), labels, Recipe.TUTORIAL)
    assert trained.calibration is None
    assert trained.trials == ()


def test_what_was_tried_is_told() -> None:
    labels = ["cat", "dog", "bird"] * 20
    trained = train_quietly(taps_for(labels, noise=0.2), labels)
    assert [trial.taps for trial in trained.trials] == [("bad", "good")]
    chosen = [trial for trial in trained.trials if trial.chosen]
    assert [trial.taps for trial in chosen] == [trained.head.taps]
    assert chosen[0].l2 == trained.head.l2
    assert chosen[0].example_count == 60


def test_every_example_that_can_be_is_held_out() -> None:
    labels = ["a"] * 5 + ["b"] * 5 + ["only"]
    out_of_fold = train_quietly(taps_for(labels), labels).out_of_fold
    assert out_of_fold is not None
    assert out_of_fold.rows.tolist() == list(range(10))
    assert out_of_fold.y.tolist() == [0] * 5 + [1] * 5
    assert out_of_fold.probabilities.sum(1) == pytest.approx(np.ones(10))


def test_without_mistakes_a_head_is_still_not_sure_of_everything() -> None:
    """A discriminant that separates held-out examples would be endlessly sure: the regression bounds it."""
    labels = ["cat", "dog"] * 40
    trained = train_quietly(taps_for(labels), labels)
    assert trained.out_of_fold is not None
    assert (trained.out_of_fold.probabilities.argmax(1) == trained.out_of_fold.y).all()
    assert trained.out_of_fold.probabilities.min() > 1e-100
