"""Messages become results by the names of their fields."""

import dataclasses
import datetime
from typing import Any

import pytest

from lastlayer import client
from lastlayer.client.errors import ServerError
from lastlayer.client.transport import defaults
from lastlayer.client.transport.messages.names import VIEWS
from lastlayer.client.transport.messages.predictions import read_explanation
from lastlayer.client.transport.messages.reading import BUILT, RENAMED, read
from lastlayer.rpc.vectors import View
from lastlayer.v1 import classifier_pb2, types_pb2

METRICS = types_pb2.Metrics(
    example_count=3,
    log_loss=0.5,
    micro_accuracy=0.75,
    macro_accuracy=0.7,
    classes=[types_pb2.ClassMetrics(label="cat", example_count=2, log_loss=0.4, precision=1, recall=0.5), {}],
    confusion_matrix=[1, 2, 3, 4],
    micro_accuracy_interval=types_pb2.Interval(lower=0.5, upper=0.9),
    reliability=[types_pb2.ReliabilityBin(lower=0.5, upper=1, example_count=3, mean_probability=0.875, accuracy=0.75)],
)


def explanation(**changes: Any) -> classifier_pb2.Explanation:
    fields: dict[str, Any] = {
        "height": 1,
        "width": 2,
        "contributions": [1, 2],
        "region": types_pb2.ImageRegion(left=0, top=0, right=1, bottom=1),
        "prediction": classifier_pb2.Prediction(scores=[types_pb2.LabelScore(label="cat", score=1)]),
    }
    return classifier_pb2.Explanation(**{**fields, **changes})


def test_metrics() -> None:
    found = read(client.Metrics, METRICS)
    assert found == client.Metrics(
        example_count=3,
        log_loss=0.5,
        log_loss_reduction=None,
        accuracy=0.75,
        macro_accuracy=0.7,
        classes=(client.ClassMetrics("cat", 2, 0.4, 1, 0.5), client.ClassMetrics("", 0, 0, 0, 0)),
        confusion_matrix=((1, 2), (3, 4)),
        accuracy_interval=(0.5, 0.9),
        log_loss_interval=None,
        expected_calibration_error=0,
        reliability=(client.ReliabilityBin(0.5, 1, 3, 0.875, 0.75),),
    )


def test_a_version() -> None:
    message = classifier_pb2.ModelVersion(
        model="m",
        version=2,
        recipe=classifier_pb2.RECIPE_TUTORIAL,
        taps=["a", "b"],
        cross_validation=METRICS,
        comparisons=[classifier_pb2.RecipeEstimate(recipe=classifier_pb2.RECIPE_AUTO, cross_validation=METRICS)],
        class_weight=classifier_pb2.CLASS_WEIGHT_BALANCED,
        rejection=classifier_pb2.Rejection(threshold=0.5, min_precision=0.9),
        libraries={"numpy": "2"},
    )
    message.create_time.FromMilliseconds(1_500)
    message.training_duration.FromMilliseconds(2_500)
    found = read(client.ModelVersion, message)
    assert (found.recipe, found.class_weight, found.comparisons[0].recipe) == ("tutorial", "balanced", "auto")
    assert found.create_time == datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=datetime.UTC)
    assert (found.training_duration_s, found.libraries, found.taps) == (2.5, {"numpy": "2"}, ("a", "b"))
    assert (found.calibration, found.rejection) == (None, client.Rejection(0.5, 0.9))
    assert found.cross_validation == read(client.Metrics, METRICS)


def test_what_a_newer_server_knows_and_an_older_one_does_not() -> None:
    message = classifier_pb2.ModelVersion()
    assert read(client.ModelVersion, message).cross_validation is None
    message.recipe = 7  # type: ignore[assignment]
    message.class_weight = 7  # type: ignore[assignment]
    found = read(client.ModelVersion, message)
    assert (found.recipe, found.class_weight, found.views) == ("recipe 7", "none", ("crop",))
    message.views.extend([types_pb2.VIEW_WHOLE_FLIPPED, 99])  # type: ignore[list-item]
    assert read(client.ModelVersion, message).views == ("whole-flipped", "view 99")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (client.Dataset, classifier_pb2.Dataset()),
        (client.Head, classifier_pb2.Head()),
        (client.Model, classifier_pb2.Model()),
        (client.ModelVersion, classifier_pb2.ModelVersion()),
        (client.Review, classifier_pb2.ReviewExamplesResponse(examples=[{}])),
        (client.NextExamples, classifier_pb2.NextExamplesResponse(examples=[{}])),
    ],
)
def test_an_empty_message_has_every_field(kind: type[Any], message: Any) -> None:
    found = read(kind, message)
    assert all(hasattr(found, field.name) for field in dataclasses.fields(kind))


@pytest.mark.parametrize("name", [*RENAMED, *BUILT])
def test_what_is_read_otherwise_is_a_field_of_a_result(name: str) -> None:
    kind, _, field = name.partition(".")
    assert field in {known.name for known in dataclasses.fields(getattr(client, kind))}


def test_an_image_of_a_pool() -> None:
    message = classifier_pb2.StoredExample(id="a.jpg", source=classifier_pb2.POOL_SOURCE_CAPTURED)
    message.pool_time.FromSeconds(1)
    found = read(client.StoredExample, message)
    assert (found.source, found.pool_time) == ("captured", datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC))
    assert read(client.StoredExample, classifier_pb2.StoredExample()).pool_time is None


@pytest.mark.parametrize("cells", [[], [1, 2, 3], [1, 2, 3, 4, 5]])
def test_a_confusion_matrix_of_another_size_is_refused(cells: list[int]) -> None:
    message = types_pb2.Metrics(classes=[{}, {}], confusion_matrix=cells)
    with pytest.raises(ServerError, match=f"{len(cells)} numbers for 2 rows of 2"):
        read(client.Metrics, message)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 3}, "2 numbers for 1 rows of 3"),
        ({"height": -1, "width": -2}, "2 numbers for -1 rows of -2"),
        ({"height": 0, "width": 0, "contributions": []}, "are no numbers"),
        ({"contributions": [1, float("nan")]}, "are no numbers"),
        ({"contributions": [1, float("inf")]}, "are no numbers"),
        ({"region": types_pb2.ImageRegion(left=0, top=0, right=1e9, bottom=1)}, "not within the image"),
        ({"region": types_pb2.ImageRegion(left=0.5, top=0, right=0.5, bottom=1)}, "not within the image"),
        ({"region": types_pb2.ImageRegion(left=float("nan"), top=0, right=1, bottom=1)}, "not within the image"),
    ],
)
def test_an_explanation_that_cannot_be_drawn_is_refused(changes: dict[str, Any], sentence: str) -> None:
    assert read_explanation("a.jpg", explanation()).contributions == ((1, 2),)
    with pytest.raises(ServerError, match=sentence):
        read_explanation("a.jpg", explanation(**changes))


@pytest.mark.parametrize(
    ("name", "value"),
    [("micro_accuracy", 1.01), ("macro_accuracy", -0.01), ("log_loss", float("nan")), ("example_count", -1)],
)
def test_numbers_out_of_their_bounds_are_refused(name: str, value: float) -> None:
    message = types_pb2.Metrics()
    setattr(message, name, value)
    with pytest.raises(ServerError, match=f"The server sent {value} as the "):
        read(client.Metrics, message)


def test_a_sum_of_floats_may_be_a_hair_above_1() -> None:
    assert read(client.LabelScore, types_pb2.LabelScore(label="cat", score=1 + 1e-12)).score > 1


def test_views_are_called_the_same_everywhere() -> None:
    """The command knows them without protobuf, which takes longer to import than its help takes."""
    assert tuple(VIEWS) == defaults.VIEWS == tuple(view.label for view in View)
    assert [int(number) for number in VIEWS.values()] == list(View)
