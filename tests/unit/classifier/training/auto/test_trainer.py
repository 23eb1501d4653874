"""The recipe `auto`, step by step."""

import numpy as np

from lastlayer.classifier.training.auto.trainer import AutoTrainer
from lastlayer.classifier.training.progress import TrainingProgress
from tests.unit.classifier.training.test_trainer import taps_for


def test_nothing_is_searched_before_it_is_asked_for() -> None:
    labels = ["a", "b"] * 10
    told: list[str] = []
    progress = TrainingProgress(lambda message, share: told.append(message), lambda: False)
    trainer = AutoTrainer(taps_for(labels), np.arange(20) % 2, 2, np.ones(20), progress)
    assert told == []
    assert trainer.search().taps == ("bad", "good")
    assert set(told) == {"preparing the features", "choosing taps and regularisation"}
