"""Train: progress, versions, idempotence, cancellation, and what cannot be trained."""

import asyncio

import grpc
import pytest

from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import Example, add, examples, failure, predict, train, train_anew
from tests.integration.classifier.fake_featurizer import FakeFeaturizer

Request = classifier_pb2.TrainRequest


async def versions_of(stub, model: str = "m") -> list[int]:
    listed = await stub.ListModelVersions(classifier_pb2.ListModelVersionsRequest(model=model))
    return [version.version for version in listed.versions]


async def test_progress_comes_first_and_the_version_last(stub) -> None:
    await add(stub, "m", examples("cat", 6) + examples("dog", 6))
    events = [event async for event in stub.Train(Request(model="m"))]
    assert [event.WhichOneof("event") for event in events] == ["progress"] * (len(events) - 1) + ["version"]
    fractions = [event.progress.fraction for event in events[:-1]]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert all(event.progress.message for event in events[:-1])


async def test_a_version_says_all_about_itself(stub, fake: FakeFeaturizer) -> None:
    version = await train_anew(stub)
    assert (version.model, version.version, version.dataset) == ("m", 1, "m")
    assert (version.recipe, list(version.classes)) == (classifier_pb2.RECIPE_AUTO, ["cat", "dog"])
    assert (version.example_count, version.backbone, version.backbone_digest) == (12, "fake", fake.digest)
    assert list(version.taps) == ["conv"]
    assert version.l1 == 0
    assert version.l2 > 0
    assert version.cross_validation.example_count == 12
    assert version.cross_validation.micro_accuracy == 1
    assert list(version.cross_validation.confusion_matrix) == [6, 0, 0, 6]
    assert version.cross_validation.interval_inflation > 1
    assert (version.preference, list(version.comparisons)) == (classifier_pb2.PREFERENCE_QUALITY, [])
    assert version.create_time.seconds > 1_600_000_000
    assert version.training_duration.ToNanoseconds() > 0
    assert version == await stub.GetModelVersion(classifier_pb2.GetModelVersionRequest(model="m"))


async def test_the_recipe_of_the_tutorial(stub) -> None:
    await add(stub, "m", examples("cat", 6) + examples("dog", 6))
    version = await train(stub, recipe=classifier_pb2.RECIPE_TUTORIAL)
    assert (version.recipe, list(version.taps), version.l1, version.l2) == (
        classifier_pb2.RECIPE_TUTORIAL,
        ["scores"],
        1,
        1,
    )


async def test_recipes_are_compared_on_request(stub) -> None:
    await add(stub, "m", examples("cat", 6) + examples("dog", 6))
    version = await train(stub, compare=True, preference=classifier_pb2.PREFERENCE_SPEED)
    assert [comparison.recipe for comparison in version.comparisons] == [classifier_pb2.RECIPE_TUTORIAL]
    assert version.preference == classifier_pb2.PREFERENCE_SPEED


async def test_images_that_are_all_conflicts_are_said(stub) -> None:
    for label in ("cat", "dog"):
        await add(
            stub,
            "m",
            [classifier_pb2.Example(id=entry.id, content=entry.content, label=label) for entry in examples("cat", 4)],
        )
    details = await failure(stub.Train(Request(model="m")))
    assert (details.code.name, details.reason) == ("FAILED_PRECONDITION", "DATASET_NOT_TRAINABLE")
    assert details.message.startswith("All 4 images of the dataset `m` have several labels")


async def test_training_needs_no_featurizer(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "d", examples("cat", 3) + examples("dog", 3))
    fake.script = [grpc.StatusCode.UNAVAILABLE] * 100
    assert (await train(stub, "m", dataset="d")).dataset == "d"


async def test_the_same_request_makes_one_version(stub) -> None:
    await add(stub, "m", examples("cat", 3) + examples("dog", 3))
    first = await train(stub, request_id="r")
    assert await train(stub, request_id="r") == first
    assert (await train(stub)).version == 2
    details = await failure(stub.Train(Request(model="other", dataset="m", request_id="r")))
    assert (details.code, details.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
    assert details.message == "The request id `r` was used before with another request."


async def test_the_same_request_sent_twice_at_once_makes_one_version(stub) -> None:
    await add(stub, "m", examples("cat", 3) + examples("dog", 3))
    both = await asyncio.gather(train(stub, request_id="r"), train(stub, request_id="r"))
    assert [version.version for version in both] == [1, 1]


async def test_trainings_at_once_get_numbers_of_their_own(stub) -> None:
    await add(stub, "m", examples("cat", 3) + examples("dog", 3))
    versions = await asyncio.gather(*(train(stub) for _ in range(4)))
    assert sorted(version.version for version in versions) == [1, 2, 3, 4]
    model = await stub.GetModel(classifier_pb2.GetModelRequest(name="m"))
    assert (model.default_version, model.version_count) == (4, 4)


async def test_a_cancelled_training_leaves_no_version_and_lets_the_next_one_in(stub) -> None:
    await add(stub, "m", [example for kind in range(20) for example in examples(f"kind{kind}", 12)])
    call = stub.Train(Request(model="m"))
    first = await call.read()
    assert first.HasField("progress")
    call.cancel()
    await add(stub, "small", examples("cat", 3) + examples("dog", 3))
    assert (await train(stub, "small")).version == 1
    details = await failure(stub.GetModel(classifier_pb2.GetModelRequest(name="m")))
    assert details.code == grpc.StatusCode.NOT_FOUND


async def test_a_caller_that_waits_for_its_turn_may_leave(stub) -> None:
    await add(stub, "m", [example for kind in range(20) for example in examples(f"kind{kind}", 12)])
    first = stub.Train(Request(model="m"))
    events = aiter(first)
    await anext(events)
    second = stub.Train(Request(model="m"))
    await second.read()
    second.cancel()
    *_, last = [event async for event in events]
    assert last.version.version == 1
    assert await versions_of(stub) == [1]


async def test_the_service_answers_while_it_trains(stub) -> None:
    await train_anew(stub, "small")
    await add(stub, "m", [example for kind in range(20) for example in examples(f"kind{kind}", 12)])
    call = stub.Train(Request(model="m"))
    await call.read()
    response = await predict(stub, [b"cat-9"], model="small")
    assert response.results[0].prediction.scores[0].label == "cat"
    assert not call.done()
    call.cancel()


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (examples("cat", 3), "The dataset has only the class `cat`; training needs examples of at least two classes."),
        ([Example(label="cat", content=b"bad")], "The dataset `d` has no examples."),
    ],
)
async def test_too_little_to_train_on(stub, new, sentence: str) -> None:
    await add(stub, "d", new)
    details = await failure(stub.Train(Request(model="m", dataset="d")))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DATASET_NOT_TRAINABLE")
    assert details.message == sentence


async def test_a_recipe_that_the_backbone_does_not_support(stub, fake: FakeFeaturizer) -> None:
    fake.class_scores = False
    await add(stub, "d", examples("cat", 3) + examples("dog", 3))
    request = Request(model="m", dataset="d", recipe=classifier_pb2.RECIPE_TUTORIAL)
    details = await failure(stub.Train(request))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RECIPE_NOT_SUPPORTED")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (Request(), "model"),
        (Request(model="no spaces"), "model"),
        (Request(model="m", dataset="-"), "dataset"),
        (Request(model="m", recipe=7), "recipe"),  # type: ignore[arg-type]
        (Request(model="m", request_id="x" * 129), "request_id"),
    ],
)
async def test_a_wrong_request_names_its_field(stub, request_: Request, field: str) -> None:
    details = await failure(stub.Train(request_))
    assert (details.code, details.reason, details.field) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        field,
    )


async def test_a_dataset_that_is_not_there(stub) -> None:
    await add(stub, "cats", examples("cat", 1))
    details = await failure(stub.Train(Request(model="m")))
    assert (details.code, details.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
    assert details.message == "There is no dataset `m`. There are: cats."
    assert details.metadata == {"resource": "dataset", "name": "m"}


async def test_a_version_says_how_it_was_chosen_and_how_sure_its_numbers_are(stub) -> None:
    version = await train_anew(stub)
    assert version.class_weight == classifier_pb2.CLASS_WEIGHT_NONE
    assert [list(trial.taps) for trial in version.trials] == [["conv"]]
    assert version.trials[0].chosen
    assert version.trials[0].example_count == 12
    assert version.cross_validation.micro_accuracy_interval.lower < 1
    assert version.cross_validation.micro_accuracy_interval.upper == 1
    assert version.cross_validation.HasField("log_loss_interval")
    assert sum(entry.example_count for entry in version.cross_validation.reliability) == 12
    assert set(version.libraries) == {"lastlayer", "numpy", "scikit-learn", "scipy"}
    assert not version.HasField("rejection")
    assert version.rejection_curve[0].coverage == 1


async def test_class_weights(stub) -> None:
    await add(stub, "m", examples("cat", 12) + examples("dog", 3))
    version = await train(stub, class_weight=classifier_pb2.CLASS_WEIGHT_BALANCED)
    assert version.class_weight == classifier_pb2.CLASS_WEIGHT_BALANCED


async def test_a_precision_that_is_asked_for_sets_a_threshold(stub) -> None:
    await add(stub, "m", examples("cat", 6) + examples("dog", 6))
    version = await train(stub, min_precision=0.75)
    assert version.rejection.min_precision == 0.75
    assert 0.5 <= version.rejection.threshold <= 1
    details = await failure(stub.Train(Request(model="m", min_precision=0.95)))
    assert (details.code.name, details.reason) == ("FAILED_PRECONDITION", "DATASET_NOT_TRAINABLE")
    assert "cannot be promised with 12 examples" in details.message


@pytest.mark.parametrize(
    ("fields", "code", "reason", "sentence"),
    [
        ({"class_weight": 9}, "INVALID_ARGUMENT", "INVALID_FIELD", "There is no class weight 9; "),
        ({"preference": 9}, "INVALID_ARGUMENT", "INVALID_FIELD", "There is no preference 9; "),
        ({"unfamiliar_share": 0.6}, "INVALID_ARGUMENT", "INVALID_FIELD", "The share is 0.6; "),
        ({"min_precision": 1.0}, "INVALID_ARGUMENT", "INVALID_FIELD", "The precision is 1; "),
        ({"min_precision": float("nan")}, "INVALID_ARGUMENT", "INVALID_FIELD", "The precision is nan; "),
        (
            {"recipe": classifier_pb2.RECIPE_TUTORIAL, "class_weight": classifier_pb2.CLASS_WEIGHT_BALANCED},
            "FAILED_PRECONDITION",
            "RECIPE_NOT_SUPPORTED",
            "The recipe `tutorial` counts all examples the same",
        ),
    ],
)
async def test_wishes_that_cannot_be_met(stub, fields, code: str, reason: str, sentence: str) -> None:
    await add(stub, "m", examples("cat", 3) + examples("dog", 3))
    details = await failure(stub.Train(Request(model="m", **fields)))
    assert (details.code.name, details.reason) == (code, reason)
    assert details.message.startswith(sentence)
