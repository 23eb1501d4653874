"""What the contract's comments say is true, and can be acted on by those who read them."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from lastlayer.classifier.domain.head import softmax
from lastlayer.classifier.service.requests import MAX_IMAGES

CONTRACT = " ".join((Path(__file__).resolve().parents[4] / "protos/lastlayer/v1/classifier.proto").read_text().split())


def test_limits_are_said_as_numbers_that_hold() -> None:
    """Callers of the classifier cannot read the featurizer's Backbone."""
    assert not re.search(r"[^d]Backbone\.", CONTRACT)  # GetServedBackbone is a method of the classifier
    limits = re.findall(r"(?:at most|from 1 to) (\d+) (?:a message|of them)", CONTRACT)
    assert limits.count(str(MAX_IMAGES)) == 4


@pytest.mark.parametrize(("classes", "factor"), [(2, 2), (3, 1), (5, 1)])
def test_the_contract_says_which_c_of_scikit_learn_is_which_l2(classes: int, factor: int) -> None:
    assert "C = 1 / l2 for three or more // classes, and with C = 2 / l2 for two" in CONTRACT
    random = np.random.default_rng(0)
    features, y, l2 = random.normal(size=(60, 4)), random.integers(0, classes, 60), 3.0

    def objective(parameters: np.ndarray) -> float:
        """Return what the contract says is minimised."""
        weights, biases = parameters[: 4 * classes].reshape(4, classes), parameters[4 * classes :]
        own = softmax(features @ weights + biases)[np.arange(60), y]
        return float(-np.log(own).mean() + l2 / (2 * 60) * (weights**2).sum())

    found = minimize(objective, np.zeros(5 * classes), method="BFGS", options={"gtol": 1e-7}).x
    probabilities = softmax(features @ found[: 4 * classes].reshape(4, classes) + found[4 * classes :])
    theirs = LogisticRegression(C=factor / l2, tol=1e-10, max_iter=10_000).fit(features, y)
    assert theirs.predict_proba(features) == pytest.approx(probabilities, abs=1e-4)
