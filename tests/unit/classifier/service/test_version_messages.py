"""What a version is, as a message: from its training, from the store, and from the stores of earlier releases."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.types import Version
from lastlayer.classifier.service.version_messages import describe, to_metrics, to_model_version
from lastlayer.classifier.training.jobs import TrainingReport
from lastlayer.classifier.training.recipes import ClassWeight
from lastlayer.v1 import classifier_pb2
from tests.unit.classifier.training.test_trainer import taps_for, train_quietly

EARLIER = Path(__file__).parent / "versions_of_earlier_releases.json"
"""What earlier releases stored of versions, and the messages that they made of it."""


def stored(description: bytes = b"", facts: dict[str, Any] | None = None) -> Version:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    return Version(1, "m", 3, "d", "tiny", "a" * 64, ("x",), description, facts or {}, moment)


def test_a_version_says_what_its_training_said() -> None:
    labels = ["a", "b", "c"] * 60
    trained = train_quietly(
        taps_for(labels, noise=1.5), labels, min_precision=0.8, class_weight=ClassWeight.BALANCED, compare=True
    )
    message = to_model_version(stored(describe(TrainingReport(trained, 180, 1.5, {"numpy": "2"}))))
    assert (message.model, message.version, message.dataset, message.backbone) == ("m", 3, "d", "tiny")
    assert message.create_time.ToDatetime(datetime.UTC) == stored().create_time
    assert (message.recipe, message.class_weight) == (
        classifier_pb2.RECIPE_AUTO,
        classifier_pb2.CLASS_WEIGHT_BALANCED,
    )
    assert (tuple(message.taps), tuple(message.classes)) == (trained.head.taps, ("a", "b", "c"))
    assert (message.l1, message.l2, message.square_root) == (trained.head.l1, trained.head.l2, False)
    assert message.preference == classifier_pb2.PREFERENCE_QUALITY
    assert (message.example_count, message.training_duration.ToTimedelta().total_seconds()) == (180, 1.5)
    assert trained.cross_validation is not None
    assert message.cross_validation == to_metrics(trained.cross_validation)
    assert [entry.cross_validation for entry in message.comparisons] == [
        to_metrics(estimate.metrics) for estimate in trained.comparisons
    ]
    assert trained.rejection is not None
    assert message.rejection.threshold == trained.rejection.threshold
    assert message.rejection.max_distance == trained.rejection.max_distance > 0
    assert message.rejection.unfamiliar_share == 0.05
    assert len(message.rejection_curve) == len(trained.rejection_curve) > 0
    assert [tuple(trial.taps) for trial in message.trials] == [trial.taps for trial in trained.trials]
    assert message.HasField("calibration") == (trained.calibration is not None)
    assert dict(message.libraries) == {"numpy": "2"}


@pytest.mark.parametrize("entry", json.loads(EARLIER.read_text()), ids=lambda entry: entry["name"])
def test_what_earlier_releases_stored_is_read_as_they_read_it(entry: dict[str, Any]) -> None:
    read = to_model_version(stored(facts=entry["facts"]))
    assert read == json_format.ParseDict(entry["message"], classifier_pb2.ModelVersion())


@pytest.mark.parametrize(
    "damaged",
    [
        stored(description=b"\xff"),
        stored(),
        stored(facts={"recipe": 1}),
        stored(facts={**json.loads(EARLIER.read_text())[0]["facts"], "recipe": "best"}),
        stored(facts={**json.loads(EARLIER.read_text())[0]["facts"], "l2": "much"}),
    ],
)
def test_what_cannot_be_read_is_said(damaged: Version) -> None:
    with pytest.raises(StoreCorruptError, match="is damaged; train the model again"):
        to_model_version(damaged)
