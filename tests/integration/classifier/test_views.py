"""Views: stored as a dataset states them, chosen by training, and all that predictions, evaluations and explanations
ask the featurizer for."""

from collections.abc import Sequence
from typing import Any, cast

import grpc
import pytest

from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.classifier.calls import (
    Add,
    Example,
    add,
    examples,
    failure,
    images,
    kinds,
    known,
    predict,
    train,
)
from tests.integration.classifier.fake_featurizer import FakeFeaturizer

CROP, WHOLE = types_pb2.VIEW_CROP, types_pb2.VIEW_WHOLE


async def add_views(
    stub, new: Sequence[Example], views: Sequence[Any], dataset: str = "m"
) -> list[classifier_pb2.ExampleOutcome]:
    """Add examples in one message that states views."""
    request = Add(dataset=dataset, examples=new, views=views)
    [response] = [answer async for answer in stub.AddExamples(iter([request]))]
    return list(response.outcomes)


def edges(each: int, start: int = 0) -> list[Example]:
    """Return examples of two classes that only the whole image tells apart."""
    return examples("edge1", each, start) + examples("edge2", each, start)


async def views_of(stub, dataset: str = "m") -> list[int]:
    return list((await stub.GetDataset(classifier_pb2.GetDatasetRequest(name=dataset))).views)


def asked(fake: FakeFeaturizer) -> list[list[Any]]:
    """Return the views of the requests of images since the last time."""
    views = [list(request.views) for _, request in fake.requests]
    fake.requests.clear()
    return views


async def test_a_dataset_has_the_views_that_it_was_created_with(stub, fake: FakeFeaturizer) -> None:
    await add_views(stub, edges(3), [WHOLE, CROP])
    assert await views_of(stub) == [CROP, WHOLE]
    await add(stub, "m", edges(1, start=3))
    assert asked(fake) == [[CROP, WHOLE]] * 2
    await add_views(stub, examples("cat", 2), [WHOLE], dataset="whole")
    await add(stub, "whole", examples("dog", 2))
    assert await views_of(stub, "whole") == [WHOLE]
    assert asked(fake) == [[WHOLE]] * 2


async def test_where_the_whole_image_tells_more_it_is_chosen_and_predictions_ask_for_it(
    stub, fake: FakeFeaturizer
) -> None:
    await add_views(stub, edges(20), [CROP, WHOLE])
    version = await train(stub)
    assert list(version.views) == [WHOLE]
    assert version.cross_validation.micro_accuracy == 1
    tried = {tuple(trial.views): trial for trial in version.trials}
    assert tried.keys() == {(CROP,), (WHOLE,), (CROP, WHOLE)}
    assert [trial.chosen for trial in version.trials] == [False, True, False]
    assert tried[(WHOLE,)].log_loss < 0.3 < tried[(CROP,)].log_loss
    assert [note for note in version.notes if "whole image" in note] == []
    asked(fake)
    answer = await predict(stub, images("edge1", 3, 50) + images("edge2", 3, 50))
    best = [result.prediction.scores[0].label for result in answer.results]
    assert best == ["edge1"] * 3 + ["edge2"] * 3
    assert asked(fake) == [[WHOLE]]
    head = await stub.GetHead(classifier_pb2.GetHeadRequest(model="m"))
    assert list(head.views) == [WHOLE]


async def test_the_mean_of_two_views_is_predicted_from_both_and_explained_by_both(stub, fake: FakeFeaturizer) -> None:
    mirrored = [types_pb2.VIEW_WHOLE, types_pb2.VIEW_WHOLE_FLIPPED]
    await add_views(stub, edges(12), mirrored)
    version = await train(stub)
    assert list(version.views) == mirrored
    asked(fake)
    [predicted] = (await predict(stub, [b"edge1-77"])).results
    assert asked(fake) == [mirrored]
    found = await stub.Explain(
        classifier_pb2.ExplainRequest(model="m", image=types_pb2.Image(content=b"edge1-77"), label="edge1")
    )
    assert [request.view for request in fake.mapped] == mirrored
    assert sum(found.contributions) + found.bias == pytest.approx(found.logit, rel=1e-9)
    scores = {entry.label: entry.score for entry in predicted.prediction.scores}
    assert found.probability == pytest.approx(scores["edge1"], abs=1e-4)
    assert (found.region.left, found.region.top, found.region.right, found.region.bottom) == (0, 0, 1, 1)


async def test_an_evaluation_finds_copies_by_the_views_of_the_version(stub, fake: FakeFeaturizer) -> None:
    await add_views(stub, edges(20), [CROP, WHOLE])
    assert list((await train(stub)).views) == [WHOLE]
    asked(fake)
    request = classifier_pb2.EvaluateRequest(model="m", examples=edges(1) + edges(3, start=100))
    *_, last = [answer async for answer in stub.Evaluate(iter([request]))]
    assert last.evaluation.metrics.micro_accuracy == 1
    assert {near.id for near in last.evaluation.near_duplicates} >= {"edge1-0.jpg", "edge2-0.jpg"}
    assert asked(fake) == [[WHOLE]]


async def test_training_says_what_the_whole_image_would_bring_by_a_sample(stub, fake: FakeFeaturizer) -> None:
    outcomes = await add(stub, "m", edges(40))
    assert set(kinds(outcomes)) == {"added"}
    whole = [len(request.images) for _, request in fake.requests if list(request.views) == [CROP, WHOLE]]
    assert (sum(whole), len(fake.contents)) == (32, 80)
    assert await views_of(stub) == [CROP]
    await add(stub, "m", edges(2, start=40))
    assert asked(fake)[-1] == [CROP]  # the sample has its images
    version = await train(stub)
    assert list(version.views) == [CROP]
    [note] = [note for note in version.notes if "whole image" in note]
    assert note.startswith("On a sample of 32 images, the whole image in place of its centre brings the log-loss from ")
    assert note.endswith(" to 1.00: `client train DATA --views crop,whole` would have that.")
    counts = {(tuple(trial.views), trial.example_count) for trial in version.trials}
    assert counts == {((CROP,), 84), ((CROP,), 32), ((WHOLE,), 32), ((CROP, WHOLE), 32)}
    assert sum(trial.chosen for trial in version.trials) == 1


async def test_nothing_is_said_where_the_whole_image_brings_nothing_or_the_tutorial_is_followed(stub) -> None:
    await add(stub, "m", examples("cat", 20) + examples("dog", 20))
    version = await train(stub)
    assert [note for note in version.notes if "whole image" in note] == []
    await add(stub, "edges", edges(20))
    tutorial = await train(stub, model="edges", recipe=classifier_pb2.RECIPE_TUTORIAL)
    assert [note for note in tutorial.notes if "whole image" in note] == []
    assert list(tutorial.trials) == []


async def test_a_dataset_gets_a_view_once_its_images_are_sent_again(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "m", edges(20))
    sent = edges(20)
    by_checksum = [known(example.content, example.label) for example in sent]
    assert set(kinds(await add(stub, "m", by_checksum))) == {"present"}
    needed = kinds(await add_views(stub, by_checksum, [WHOLE]))
    assert needed.count("content_needed") == 8  # those that were not in the sample
    assert await views_of(stub) == [CROP, WHOLE]
    before = await train(stub)
    assert list(before.views) == [CROP]
    assert [note for note in before.notes if "`whole`" in note] == [
        (
            "8 of the 40 images have no features of the view `whole`, which was left out: add the images again to have "
            "it tried; what is there already is not stored twice."
        )
    ]
    asked(fake)
    assert set(kinds(await add(stub, "m", sent))) == {"present"}
    assert asked(fake) == [[CROP, WHOLE]]
    assert set(kinds(await add(stub, "m", by_checksum))) == {"present"}
    after = await train(stub)
    assert list(after.views) == [WHOLE]
    assert [note for note in after.notes if "`whole`" in note] == []
    # The version from before predicts from what it was trained on.
    await predict(stub, [b"edge1-70"], version=before.version)
    assert asked(fake) == [[CROP]]


async def test_the_recipe_of_the_tutorial_takes_the_first_view(stub, fake: FakeFeaturizer) -> None:
    await add_views(stub, edges(6), [WHOLE, types_pb2.VIEW_WHOLE_FLIPPED])
    version = await train(stub, recipe=classifier_pb2.RECIPE_TUTORIAL)
    assert (list(version.taps), list(version.views)) == (["scores"], [WHOLE])


async def test_a_view_of_a_later_release_is_refused(stub) -> None:
    found = await failure(stub.AddExamples(iter([Add(dataset="m", examples=edges(1), views=cast("Any", [99]))])))
    assert (found.code, found.field) == (grpc.StatusCode.INVALID_ARGUMENT, "views")


async def test_a_featurizer_of_an_earlier_release_featurizes_the_crop_alone(stub, fake: FakeFeaturizer) -> None:
    fake.knows_views = False
    assert set(kinds(await add(stub, "m", edges(2)))) == {"added"}
    assert asked(fake) == [[CROP]]
    found = await failure(stub.AddExamples(iter([Add(dataset="w", examples=edges(1), views=[WHOLE])])))
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "VIEW_NOT_OFFERED")
    assert found.message == (
        "The featurizer is of a release that does not compute features of the view `whole`; upgrade it."
    )


async def test_a_featurizer_that_went_back_to_an_earlier_release_is_noticed(stub, fake: FakeFeaturizer) -> None:
    await add_views(stub, edges(12), [WHOLE])
    await train(stub)
    fake.knows_views = False
    with pytest.raises(grpc.aio.AioRpcError, match="view `whole`; upgrade it"):
        await predict(stub, [b"edge1-70"])
    request = classifier_pb2.ExplainRequest(model="m", image=types_pb2.Image(content=b"edge1-77"))
    assert (await failure(stub.Explain(request))).reason == "VIEW_NOT_OFFERED"


async def test_requests_of_several_views_hold_as_many_images_fewer(stub, fake: FakeFeaturizer) -> None:
    fake.max_images = 9
    assert set(kinds(await add_views(stub, edges(20), [CROP, WHOLE]))) == {"added"}
    assert {len(request.images) for _, request in fake.requests} == {4}
    fake.max_images = 1
    assert set(kinds(await add(stub, "m", edges(3, start=50)))) == {"added"}
