"""Predictions for people."""

import pytest

from lastlayer.client.output.predictions import print_prediction, short_names
from lastlayer.client.results.predictions import LabelScore, Prediction


def test_names_are_as_short_as_tells_them_apart() -> None:
    assert short_names(["a/1.jpg", "b/1.jpg", "b/2.jpg", "b/2.jpg", "-", "dir/"]) == {
        "a/1.jpg": "a/1.jpg",
        "b/1.jpg": "b/1.jpg",
        "b/2.jpg": "2.jpg",
        "-": "-",
        "dir/": "dir/",
    }


def test_the_best_class_is_a_line_and_the_others_stand_below(capsys: pytest.CaptureFixture[str]) -> None:
    scores = (LabelScore("cat\x1b[2J", 0.75), LabelScore("dog", 0.25))
    print_prediction("new.jpg", Prediction("new.jpg", scores, "pets", 1))
    assert capsys.readouterr().out == ("Image: new.jpg predicted as: cat\\x1b[2J with score: 0.7500\n  dog: 0.2500\n")


def test_what_is_unknown_tells_the_best_guess(capsys: pytest.CaptureFixture[str]) -> None:
    prediction = Prediction("new.jpg", (LabelScore("cat", 0.75),), "pets", 1, rejected=True)
    print_prediction("new.jpg", prediction)
    assert capsys.readouterr().out == (
        "Image: new.jpg predicted as: unknown (the best guess is: cat with score: 0.7500)\n"
    )
