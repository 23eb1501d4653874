"""Similar images and maps over the wire."""

import asyncio
import hashlib
import sys
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from lastlayer.classifier.domain.head import square_root, unit_length
from lastlayer.classifier.evaluation.likeness import layout
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.classifier.calls import Example, add, examples, failure, images, train
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, Hang, vector_of

Selector = classifier_pb2.ExampleSelector


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def like(content: bytes, **fields: Any) -> classifier_pb2.SimilarRequest:
    return classifier_pb2.SimilarRequest(dataset="d", image=types_pb2.Image(content=content), **fields)


def like_stored(content: bytes, **fields: Any) -> classifier_pb2.SimilarRequest:
    return classifier_pb2.SimilarRequest(dataset="d", example=Selector(content_sha256=digest(content)), **fields)


def names(response: classifier_pb2.SimilarResponse) -> list[str]:
    return [found.example.id for found in response.examples]


def cosine_distance(one: bytes, other: bytes) -> float:
    """Return how far the fake's features of two images are from each other."""
    left, right = unit_length(square_root(np.stack([vector_of(content, "conv", 8) for content in (one, other)])))
    return 1 - float(left.astype(np.float64) @ right.astype(np.float64))


async def pool(stub: Any, contents: Sequence[bytes]) -> None:
    new = [Example(id=f"{content.decode()}.jpg", content=content) for content in contents]
    request = classifier_pb2.AddExamplesRequest(dataset="d", examples=new, pool=True)
    async for _ in stub.AddExamples(iter([request])):
        pass


class TestSimilar:
    async def test_the_nearest_to_an_image(self, stub: Any, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 30) + examples("dog", 30))
        fake.requests.clear()
        found = await stub.Similar(like(b"cat-99", thumbnails=True))
        assert len(found.examples) == 20
        assert {label for example in found.examples for label in example.example.labels} == {"cat"}
        assert found.compared_count == 60
        distances = [example.distance for example in found.examples]
        assert distances == sorted(distances)
        contents = [example.example.id.removesuffix(".jpg").encode() for example in found.examples]
        expected = sorted(images("cat", 30), key=lambda content: cosine_distance(b"cat-99", content))[:20]
        assert contents == expected
        assert distances == pytest.approx([cosine_distance(b"cat-99", content) for content in expected], abs=1e-6)
        assert found.examples[0].example.thumbnail == b"small " + contents[0]
        # One tap of one view is all that is asked for, and predictions go first.
        [(method, request)] = fake.requests
        assert (method, list(request.taps), len(request.views)) == ("FeaturizeStream", ["conv"], 1)

    async def test_the_nearest_to_a_stored_one_which_is_not_among_them(self, stub: Any, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 5) + examples("dog", 5))
        fake.requests.clear()
        found = await stub.Similar(like_stored(b"cat-3", count=4))
        assert sorted(names(found)) == ["cat-0.jpg", "cat-1.jpg", "cat-2.jpg", "cat-4.jpg"]
        assert found.compared_count == 9
        by_name = classifier_pb2.SimilarRequest(dataset="d", example=Selector(id="cat-3.jpg"), count=4)
        assert await stub.Similar(by_name) == found
        assert not fake.requests
        assert not found.examples[0].example.thumbnail

    async def test_the_same_image_is_at_no_distance(self, stub: Any) -> None:
        await add(stub, "d", examples("cat", 5))
        found = await stub.Similar(like(b"cat-3", count=1))
        assert [(example.example.id, example.distance) for example in found.examples] == [("cat-3.jpg", 0)]

    async def test_of_a_label_with_conflicts(self, stub: Any) -> None:
        await add(stub, "d", [*examples("cat", 5), Example(id="c", label="dog", content=b"cat-3"), *examples("dog", 2)])
        found = await stub.Similar(like(b"cat-9", label=" dog "))
        assert set(names(found)) == {"cat-3.jpg", "dog-0.jpg", "dog-1.jpg"}
        assert list(found.examples[0].example.labels) == ["cat", "dog"]
        assert (await stub.Similar(like(b"cat-9", label="mouse"))) == classifier_pb2.SimilarResponse()

    async def test_of_the_pool(self, stub: Any) -> None:
        await add(stub, "d", examples("cat", 3))
        await pool(stub, images("cat", 3, 10))
        assert len((await stub.Similar(like(b"cat-11"))).examples) == 3
        found = await stub.Similar(like(b"cat-11", pool=True))
        assert (names(found)[0], list(found.examples[0].example.labels), found.compared_count) == ("cat-11.jpg", [], 6)
        assert len((await stub.Similar(like_stored(b"cat-11", pool=True))).examples) == 5

    async def test_an_image_that_is_none(self, stub: Any) -> None:
        await add(stub, "d", examples("cat", 3))
        found = await failure(stub.Similar(like(b"bad")))
        assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "IMAGE_UNDECODABLE")
        assert (await failure(stub.Similar(like(b"")))).reason == "IMAGE_EMPTY"

    async def test_another_backbone(self, stub: Any, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 3))
        fake.digest = "b" * 64
        found = await failure(stub.Similar(like(b"cat-9")))
        assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKBONE_MISMATCH")
        assert found.metadata == {"expected": "a" * 64, "actual": "b" * 64}
        assert "The dataset `d` has features of fake" in found.message
        # What is stored can still be compared.
        assert len((await stub.Similar(like_stored(b"cat-1"))).examples) == 2
        # One image comes with the new backbone: the others wait for theirs.
        await add(stub, "d", examples("cat", 1, 7))
        found = await stub.Similar(like(b"cat-9"))
        assert (names(found), found.compared_count, found.stale_count) == (["cat-7.jpg"], 1, 3)
        found = await failure(stub.Similar(like_stored(b"cat-1")))
        assert found.reason == "BACKBONE_MISMATCH"
        assert "add it again" in found.message

    async def test_what_there_is_not(self, stub: Any) -> None:
        assert (await failure(stub.Similar(like(b"cat-1")))).reason == "RESOURCE_NOT_FOUND"
        assert (await failure(stub.Similar(like_stored(b"cat-1")))).reason == "RESOURCE_NOT_FOUND"
        await add(stub, "d", examples("cat", 1))
        found = await failure(stub.Similar(like_stored(b"cat-2")))
        assert (found.reason, found.metadata["resource"]) == ("RESOURCE_NOT_FOUND", "example")
        assert "`example` of the request" in found.message
        await add(stub, "d", [Example(id="cat-0.jpg", label="cat", content=b"cat-5")])
        ambiguous = classifier_pb2.SimilarRequest(dataset="d", example=Selector(id="cat-0.jpg"))
        assert (await failure(stub.Similar(ambiguous))).field == "example"

    async def test_a_dataset_without_images(self, stub: Any) -> None:
        await add(stub, "d", examples("cat", 1))
        everything = classifier_pb2.RemoveExamplesRequest(dataset="d", examples=[Selector(id="cat-0.jpg")])
        await stub.RemoveExamples(everything)
        assert (await stub.Similar(like(b"cat-1"))) == classifier_pb2.SimilarResponse()

    async def test_predictions_go_on_while_an_image_waits(self, stub: Any, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 3))
        hang = Hang()
        fake.script = [hang]
        call = asyncio.ensure_future(stub.Similar(like(b"cat-9")))
        await hang.entered.wait()
        assert len((await stub.Similar(like_stored(b"cat-1"))).examples) == 2
        hang.released.set()
        assert len((await call).examples) == 3


async def mapped(stub: Any, **fields: Any) -> tuple[list[classifier_pb2.TrainProgress], list[classifier_pb2.MapPoints]]:
    """Return what a map told on its way, and its messages of points."""
    request = classifier_pb2.MapExamplesRequest(**{"dataset": "d", **fields})
    events = [event async for event in stub.MapExamples(request)]
    told = [event.progress for event in events if event.HasField("progress")]
    return told, [event.points for event in events if event.HasField("points")]


class TestMaps:
    async def test_classes_come_apart(self, stub: Any) -> None:
        await add(stub, "d", examples("cat", 15) + examples("dog", 15))
        _, [points] = await mapped(stub)
        assert (points.method, points.example_count) == (classifier_pb2.MAP_METHOD_NEIGHBORS, 30)
        assert [point.id for point in points.points] == [
            example.id for example in examples("cat", 15) + examples("dog", 15)
        ]
        places = np.array([(point.x, point.y) for point in points.points])
        assert np.abs(places).max() == pytest.approx(1)
        cats, dogs = places[:15], places[15:]
        spread = max(np.linalg.norm(group - group.mean(0), axis=1).max() for group in (cats, dogs))
        assert np.linalg.norm(cats.mean(0) - dogs.mean(0)) > spread
        assert {(tuple(point.labels), point.content_sha256) for point in points.points[:1]} == {
            (("cat",), digest(b"cat-0"))
        }
        assert (await mapped(stub))[1] == [points]

    async def test_by_components_of_a_sample(self, stub: Any) -> None:
        await add(stub, "d", examples("cat", 40))
        _, [points] = await mapped(stub, method=classifier_pb2.MAP_METHOD_PCA, max_examples=15)
        assert (points.method, points.example_count, len(points.points)) == (classifier_pb2.MAP_METHOD_PCA, 40, 15)
        chosen = sorted(images("cat", 40), key=digest)[:15]
        assert {point.content_sha256 for point in points.points} == set(map(digest, chosen))

    @pytest.mark.parametrize("count", [1, 3, 9])
    async def test_a_few_images_are_laid_out_by_components(self, stub: Any, count: int) -> None:
        await add(stub, "d", examples("cat", count))
        _, [points] = await mapped(stub, method=classifier_pb2.MAP_METHOD_NEIGHBORS)
        assert (points.method, len(points.points)) == (classifier_pb2.MAP_METHOD_PCA, count)

    async def test_a_dataset_without_images_has_one_message_without_points(self, stub: Any) -> None:
        await add(stub, "d", examples("cat", 1))
        await stub.RemoveExamples(
            classifier_pb2.RemoveExamplesRequest(dataset="d", examples=[Selector(id="cat-0.jpg")])
        )
        _, [points] = await mapped(stub)
        assert (len(points.points), points.example_count, points.stale_count) == (0, 0, 0)

    async def test_suspicious_labels_conflicts_and_the_pool(self, stub: Any) -> None:
        wrong = Example(id="wrong", label="dog", content=b"cat-50")
        two = [Example(id="two", label=label, content=b"cat-51") for label in ("cat", "dog")]
        await add(stub, "d", [*examples("cat", 12), *examples("dog", 12), wrong, *two])
        await pool(stub, images("cat", 2, 60))
        await train(stub, "m", dataset="d")
        _, [points] = await mapped(stub, model="m", pool=True)
        by_id = {point.id: point for point in points.points}
        assert [name for name, point in by_id.items() if point.suspicious] == ["wrong"]
        assert by_id["wrong"].suggested_label == "cat"
        assert list(by_id["two"].labels) == ["cat", "dog"]
        assert not by_id["cat-60.jpg"].labels
        assert points.example_count == 28
        _, [without] = await mapped(stub)
        assert without.example_count == 26
        assert not any(point.suspicious for point in without.points)
        # A model of another dataset has nothing to say of this one.
        await add(stub, "other", examples("cat", 12) + examples("dog", 12))
        await train(stub, "of-other", dataset="other")
        _, [other] = await mapped(stub, model="of-other")
        assert not any(point.suspicious for point in other.points)

    async def test_images_of_another_backbone_are_counted(self, stub: Any, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 5))
        fake.digest = "b" * 64
        await add(stub, "d", examples("cat", 3, 10))
        _, [points] = await mapped(stub)
        assert (len(points.points), points.example_count, points.stale_count) == (3, 3, 5)

    async def test_without_the_library(self, stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openTSNE", None)
        await add(stub, "d", examples("cat", 12))
        request = classifier_pb2.MapExamplesRequest(dataset="d", method=classifier_pb2.MAP_METHOD_NEIGHBORS)
        found = await failure(stub.MapExamples(request))
        assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MAP_NOT_OFFERED")
        assert found.metadata == {"method": "neighbors"}
        _, [points] = await mapped(stub)
        assert points.method == classifier_pb2.MAP_METHOD_PCA

    async def test_what_there_is_not(self, stub: Any) -> None:
        request = classifier_pb2.MapExamplesRequest(dataset="d")
        assert (await failure(stub.MapExamples(request))).reason == "RESOURCE_NOT_FOUND"
        await add(stub, "d", examples("cat", 3))
        request.model = "nothing"
        assert (await failure(stub.MapExamples(request))).metadata["resource"] == "model"

    async def test_many_points_come_in_several_messages(self, stub: Any) -> None:
        for start in range(0, 1200, 200):
            await add(stub, "d", examples("cat", 200, start))
        _, messages = await mapped(stub, method=classifier_pb2.MAP_METHOD_PCA)
        assert [len(message.points) for message in messages] == [1000, 200]
        assert {message.example_count for message in messages} == {1200}

    async def test_it_tells_how_far_it_is_and_stops_with_its_caller(
        self, stub: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await add(stub, "d", examples("cat", 12))
        running, ended = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def never_ends(components: Any, tell: Any) -> Any:
            loop.call_soon_threadsafe(running.set)
            try:
                while True:
                    tell(0.5)
            finally:
                loop.call_soon_threadsafe(ended.set)

        monkeypatch.setattr(layout, "place_by_neighbours", never_ends)
        call = stub.MapExamples(classifier_pb2.MapExamplesRequest(dataset="d"))
        told = []
        async for event in call:
            told.append(event.progress)
            if event.progress.fraction > 0.5:
                break
        assert told[-1].message == "laying the images out"
        waiting = stub.MapExamples(classifier_pb2.MapExamplesRequest(dataset="d"))
        assert (await waiting.read()).progress.message == "waiting for another map"
        waiting.cancel()
        call.cancel()
        await asyncio.wait_for(ended.wait(), 30)
        monkeypatch.undo()
        assert (await mapped(stub))[1]
