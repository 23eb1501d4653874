"""What follows the choices of the recipe `auto`: where its fits begin, and where they end."""

from typing import Any

import numpy as np
import pytest

from lastlayer.classifier.domain.head import softmax, unit_length
from lastlayer.classifier.fitting.logistic import fit_logistic, fit_single
from lastlayer.classifier.training.auto import searched
from lastlayer.classifier.training.auto.trainer import AutoTrainer
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import TapFeatures
from lastlayer.classifier.training.search import cross_validation
from lastlayer.classifier.training.search.cross_validation import SEARCH_EXAMPLES


def test_of_many_examples_fits_begin_near_where_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    y = np.arange(SEARCH_EXAMPLES + 200) % 3
    features = [
        (random.normal(size=(3, 12))[y] + 3 * random.normal(size=(len(y), 12))).astype(np.float32) for _ in "ab"
    ]
    found: list[tuple[Any, Any]] = []

    def recorded(fit: Any) -> Any:
        def record(*arguments: Any, **options: Any) -> Any:
            found.append((options["start"], fit(*arguments, **options)))
            return found[-1][1]

        return record

    monkeypatch.setattr(cross_validation, "fit_logistic", recorded(fit_logistic))
    monkeypatch.setattr(searched, "fit_single", recorded(fit_single))
    taps = [TapFeatures(name, False, values.copy()) for name, values in zip("ab", features, strict=True)]
    progress = TrainingProgress(lambda _message, _share: None, lambda: False)
    auto = AutoTrainer(taps, y, 3, np.ones(len(y)), progress).search()
    found.clear()
    auto.validate()
    fitted = auto.fit()
    assert len(found) == 2  # all folds together, and the whole
    for start, end in found:
        assert start.shape == end.shape
        assert np.abs(start - end).max() < 0.05 * np.abs(end).max()
    vectors = np.hstack([unit_length(values) for values in features]).astype(np.float64)
    slopes = softmax(vectors @ fitted.weights + fitted.biases) - np.eye(3)[y]
    gradient = (vectors.T @ slopes + fitted.l2 * fitted.weights) / len(y)
    assert np.abs(gradient).max() < 1e-5
    assert np.abs(slopes.sum(0)).max() / len(y) < 1e-5
