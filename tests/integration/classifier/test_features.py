"""Examples that bring their vectors, a dataset's vectors, and vectors of images that nobody keeps."""

import hashlib
import math
import struct
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.classifier.calls import add, connected, examples, failure, images, kinds, train
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, vector_of

TAPS = {"conv": 8, "scores": 6}
DIGEST = "a" * 64
Request = classifier_pb2.AddFeaturesRequest


def blocks(contents: Sequence[bytes]) -> list[classifier_pb2.FeatureBlock]:
    return [
        classifier_pb2.FeatureBlock(
            tap=tap, values=b"".join(vector_of(content, tap, dimension).tobytes() for content in contents)
        )
        for tap, dimension in TAPS.items()
    ]


def given(kind: str, count: int, start: int = 0, **fields: Any) -> Request:
    """Return a message with the features that the fake featurizer would compute."""
    contents = images(kind, count, start)
    new = [
        classifier_pb2.Example(
            id=f"{content.decode()}.jpg", label=kind, content_sha256=hashlib.sha256(content).digest()
        )
        for content in contents
    ]
    values = {"dataset": "m", "backbone_digest": DIGEST, "precision": "float32", "features": blocks(contents)}
    return Request(examples=new, **{**values, **fields})


async def take(stub: Any, *requests: Request) -> list[classifier_pb2.ExampleOutcome]:
    return [outcome async for answer in stub.AddFeatures(iter(requests)) for outcome in answer.outcomes]


async def pages(stub: Any, dataset: str, size: int = 0) -> list[classifier_pb2.ListFeaturesResponse]:
    found: list[classifier_pb2.ListFeaturesResponse] = []
    while not found or found[-1].next_page_token:
        token = found[-1].next_page_token if found else ""
        request = classifier_pb2.ListFeaturesRequest(dataset=dataset, page_size=size, page_token=token)
        found.append(await stub.ListFeatures(request))
    return found


async def test_vectors_that_came_by_the_service_and_by_themselves_train_to_the_same_head(
    stub: Any, settings: ClassifierSettings, tmp_path: Any, fake: FakeFeaturizer
) -> None:
    await add(stub, "m", examples("cat", 8) + examples("dog", 8))
    by_service = await train(stub)
    other = settings.model_copy(update={"store_url": f"sqlite:///{tmp_path}/other/x.db"})
    featurized = len(fake.contents)
    async with connected(other) as elsewhere:
        outcomes = await take(elsewhere, given("cat", 8), given("dog", 8))
        assert kinds(outcomes) == ["added"] * 16
        assert len(fake.contents) == featurized
        by_themselves = await train(elsewhere)
        request = classifier_pb2.GetHeadRequest(model="m")
        one, another = await stub.GetHead(request), await elsewhere.GetHead(request)
        assert one.weights == another.weights
        assert one.biases == another.biases
        assert by_service.cross_validation == by_themselves.cross_validation
        dataset = await elsewhere.GetDataset(classifier_pb2.GetDatasetRequest(name="m"))
        assert [(entry.precision, entry.example_count) for entry in dataset.precisions] == [("float32", 16)]
        review = await elsewhere.ReviewExamples(
            classifier_pb2.ReviewExamplesRequest(model="m", kind=classifier_pb2.REVIEW_KIND_MISTAKES, thumbnails=True)
        )
        assert all(entry.example.thumbnail == b"" for entry in review.examples)


async def test_outcomes_are_those_of_images(stub: Any) -> None:
    assert kinds(await take(stub, given("cat", 2, features=[]))) == ["content_needed"] * 2
    assert kinds(await take(stub, given("cat", 2))) == ["added"] * 2
    assert kinds(await take(stub, given("cat", 2))) == ["present"] * 2
    assert kinds(await take(stub, given("cat", 3, features=[]))) == ["present", "present", "content_needed"]
    other = given("cat", 1)
    other.examples[0].label = " dog "
    [conflict] = await take(stub, other)
    assert list(conflict.conflict.labels) == ["cat", "dog"]
    assert conflict.label_trimmed
    await stub.RelabelExamples(
        classifier_pb2.RelabelExamplesRequest(
            dataset="m",
            examples=[classifier_pb2.ExampleSelector(content_sha256=hashlib.sha256(b"cat-1").digest())],
            label="tiger",
        )
    )
    [kept] = await take(stub, given("cat", 1, start=1))
    assert (kept.present.relabelled, kept.label) == (True, "tiger")
    # An image and its vectors are one example.
    assert kinds(await add(stub, "m", examples("cat", 3))) == ["conflict", "present", "added"]


async def test_one_bad_example_fails_alone(stub: Any) -> None:
    request = given("cat", 4)
    values = bytearray(request.features[0].values)
    struct.pack_into("<f", values, 4 * 8 * 1 + 8, math.inf)
    struct.pack_into("<f", values, 4 * 8 * 2, math.nan)
    request.features[0].values = bytes(values)
    request.examples[3].label = "\n"
    outcomes = await take(stub, request)
    assert kinds(outcomes) == ["added", "error", "error", "error"]
    assert "examples[1] have elements that are not finite" in outcomes[1].error.message
    assert "label" in outcomes[3].error.message
    short = given("dog", 2)
    short.examples[0].content_sha256 = b"short"
    short.examples[1].content = b"an image"
    assert kinds(await take(stub, short)) == ["error", "error"]
    long = given("dog", 3)
    long.examples[0].label = long.examples[1].id = "x" * 1_000_000
    outcomes = await take(stub, long)
    assert kinds(outcomes) == ["error", "error", "added"]
    assert all(len(outcome.error.message) < 1_000 for outcome in outcomes[:2])


async def test_labels_are_normalised(stub: Any) -> None:
    request = given("cat", 1)
    request.examples[0].label = "caf\u0065\u0301"
    [outcome] = await take(stub, request)
    assert outcome.label == "caf\u00e9"


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"dataset": ""}, "dataset", "empty"),
        ({"backbone_digest": "nonsense"}, "backbone_digest", "64 hexadecimal digits"),
        ({"precision": "float8"}, "precision", "float32, bfloat16, float16, int8 are accepted"),
        ({"features": blocks(images("cat", 1))[:1]}, "features", "Features at scores are missing"),
        ({"features": blocks(images("cat", 1)) * 2}, "features[2].tap", "comes twice"),
        ({"features": blocks(images("cat", 2))}, "features[0].values", "1 examples with 8 elements"),
        ({"features": [classifier_pb2.FeatureBlock(tap="other")]}, "features[0].tap", "conv, scores are accepted"),
    ],
)
async def test_messages_that_do_not_hold_together(stub: Any, change: dict[str, Any], field: str, said: str) -> None:
    failed = await failure(stub.AddFeatures(iter([given("cat", 1, **change)])))
    assert (failed.reason, failed.field) == ("INVALID_FIELD", field)
    assert said in failed.message


async def test_a_message_has_a_bound(stub: Any) -> None:
    failed = await failure(stub.AddFeatures(iter([given("cat", 2001)])))
    assert "at most 2000" in failed.message


async def test_what_came_before_a_message_that_is_refused_is_stored_and_answered(stub: Any) -> None:
    call = stub.AddFeatures(iter([given("cat", 2), given("cat", 2, 2), given("cat", 1, 4, precision="float8")]))
    answered = [kind for _ in range(2) for kind in kinds((await call.read()).outcomes)]
    with pytest.raises(grpc.aio.AioRpcError, match="float8"):
        await call.read()
    assert answered == ["added"] * 4
    assert kinds(await take(stub, given("cat", 5))) == ["present"] * 4 + ["added"]


async def test_features_of_another_backbone_are_refused(stub: Any, fake: FakeFeaturizer) -> None:
    unknown = await failure(stub.AddFeatures(iter([given("cat", 1, backbone_digest="b" * 64)])))
    assert unknown.reason == "BACKBONE_MISMATCH"
    assert unknown.metadata == {"expected": DIGEST, "actual": "b" * 64}
    await take(stub, given("cat", 2))
    fake.digest = "b" * 64
    assert kinds(await take(stub, given("cat", 2))) == ["present"] * 2  # of what is stored, whatever is served now
    other = await failure(stub.AddFeatures(iter([given("cat", 1, backbone_digest="b" * 64)])))
    assert other.reason == "BACKBONE_MISMATCH"
    assert "dataset of their own" in other.message


async def test_a_dataset_is_listed_with_its_vectors_and_taken_back(
    stub: Any, settings: ClassifierSettings, tmp_path: Any
) -> None:
    await add(stub, "m", examples("cat", 3) + examples("dog", 2))
    await add(stub, "m", [classifier_pb2.Example(id="again", label="dog", content=b"cat-1")])
    found = await pages(stub, "m", size=2)
    assert [len(page.examples) for page in found] == [2, 2, 2]
    rows = [row for page in found for row in page.examples]
    assert [(row.id, row.label) for row in rows] == [
        ("cat-0.jpg", "cat"), ("cat-1.jpg", "cat"), ("cat-2.jpg", "cat"), ("dog-0.jpg", "dog"), ("dog-1.jpg", "dog"),
        ("again", "dog"),
    ]  # fmt: skip
    assert found[0].backbone.digest == DIGEST
    assert {tap.name: tap.dimension for tap in found[0].backbone.taps} == TAPS
    expected = np.stack([vector_of(content, "conv", 8) for content in (b"dog-1", b"cat-1")])
    np.testing.assert_array_equal(np.frombuffer(found[2].features[0].values, "<f4").reshape(2, 8), expected)
    other = settings.model_copy(update={"store_url": f"sqlite:///{tmp_path}/other/x.db"})
    async with connected(other) as elsewhere:
        back = [
            Request(
                dataset="m",
                backbone_digest=page.backbone.digest,
                precision=page.examples[0].precision,
                examples=[
                    classifier_pb2.Example(id=row.id, label=row.label, content_sha256=row.content_sha256)
                    for row in page.examples
                ],
                features=page.features,
            )
            for page in found
        ]
        assert kinds(await take(elsewhere, *back)) == ["added"] * 5 + ["conflict"]
        again = await pages(elsewhere, "m")
        assert [row for page in again for row in page.examples] == rows


async def test_images_with_several_labels_on_one_page(stub: Any) -> None:
    await add(stub, "m", [classifier_pb2.Example(label=label, content=b"cat-1") for label in ("cat", "dog")])
    [page] = await pages(stub, "m")
    values = np.frombuffer(page.features[0].values, "<f4").reshape(2, 8)
    np.testing.assert_array_equal(values[0], values[1])


async def test_images_of_another_backbone_have_no_vectors(stub: Any, fake: FakeFeaturizer) -> None:
    await add(stub, "m", examples("cat", 2))
    fake.digest = "b" * 64
    await add(stub, "m", examples("dog", 1))
    [page] = await pages(stub, "m")
    assert [row.stale for row in page.examples] == [True, True, False]
    assert page.backbone.digest == "b" * 64
    assert len(page.features[0].values) == 4 * 8


async def test_listing_what_is_not_there(stub: Any) -> None:
    assert (await failure(stub.ListFeatures(classifier_pb2.ListFeaturesRequest(dataset="m")))).reason == (
        "RESOURCE_NOT_FOUND"
    )
    await add(stub, "m", examples("cat", 1))
    for wrong in ({"page_size": 1001}, {"page_token": "nonsense"}):
        assert (await failure(stub.ListFeatures(classifier_pb2.ListFeaturesRequest(dataset="m", **wrong)))).reason == (
            "INVALID_FIELD"
        )


async def test_images_are_embedded(stub: Any) -> None:
    pictures = [types_pb2.Image(id="a", content=b"cat-1"), types_pb2.Image(id="b", content=b"bad")]
    answer = await stub.EmbedImages(classifier_pb2.EmbedImagesRequest(images=pictures))
    good, bad = answer.results
    assert (answer.backbone, answer.backbone_digest) == ("fake", DIGEST)
    assert {vector.tap: vector.values for vector in good.vectors} == {
        tap: vector_of(b"cat-1", tap, dimension).tobytes() for tap, dimension in TAPS.items()
    }
    assert (good.id, good.precision, good.HasField("error")) == ("a", "float32", False)
    assert (bad.id, len(bad.vectors), bad.error.code) == ("b", 0, 3)
    one = await stub.EmbedImages(classifier_pb2.EmbedImagesRequest(images=pictures[:1], taps=["conv", "conv"]))
    assert [vector.tap for vector in one.results[0].vectors] == ["conv"]
    wrong = await failure(stub.EmbedImages(classifier_pb2.EmbedImagesRequest(images=pictures, taps=["other"])))
    assert (wrong.field, "fake has conv, scores" in wrong.message) == ("taps[0]", True)
    none = await failure(stub.EmbedImages(classifier_pb2.EmbedImagesRequest()))
    assert none.field == "images"
    assert not (await stub.ListDatasets(classifier_pb2.ListDatasetsRequest())).datasets
