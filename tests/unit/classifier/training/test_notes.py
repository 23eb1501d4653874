"""What a user is told beside the numbers of a training."""

import numpy as np
import pytest

from lastlayer.classifier.evaluation.metrics import evaluate
from lastlayer.classifier.training.notes import describe_estimate, describe_single_examples, describe_unfamiliar


@pytest.mark.parametrize(
    ("labels", "start"),
    [
        (["a", "a", "b"], "`b` has only one example: it is trained on"),
        (["a", "a", "b", "c"], "`b`, `c` have only one example each: they are trained on"),
        (["a", "a", *"bcdefgh"], "`b`, `c`, `d`, `e`, `f` and 2 more have only one example each"),
        (["a", "b"], "Each class has only one example: nothing can be validated"),
    ],
)
def test_classes_of_a_single_example_are_named(labels: list[str], start: str) -> None:
    [note] = describe_single_examples(labels, tuple(dict.fromkeys(labels)))
    assert note.startswith(start)


def test_nothing_is_said_where_all_is_well() -> None:
    assert describe_single_examples(["a", "a", "b", "b"], ("a", "b")) == []
    assert describe_estimate(None, 0, least=6) == []
    assert describe_unfamiliar(0.0, found=False) == []
    assert describe_unfamiliar(0.05, found=True) == []


def test_too_few_examples_are_told_with_what_it_takes() -> None:
    assert "4 examples are too few" in describe_estimate(None, 4, least=6)[0]
    assert "not better than guessing on 12 held-out examples" in describe_estimate(None, 12, least=6)[0]
    assert "that takes 20 that can be held out" in describe_unfamiliar(0.05, found=False)[0]


def test_a_model_that_only_guesses_is_told() -> None:
    y = np.array([0, 1] * 15)
    wrong = np.where(np.arange(30) % 3 == 0, 0.55, 0.45)  # right in one of three
    guessed = np.stack([np.where(y == 0, wrong, 1 - wrong), np.where(y == 0, 1 - wrong, wrong)], axis=1)
    [note] = describe_estimate(evaluate(guessed, y, ("a", "b")), 30, least=6)
    assert "not better than guessing: the images do not show" in note
    assert describe_estimate(evaluate(guessed[:, ::-1], y, ("a", "b")), 30, least=6) == []
