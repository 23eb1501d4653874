"""Stored examples over the wire: curated, reviewed and pictured; near duplicates; the numbers of a head."""

import hashlib
import json

import grpc
import numpy as np
import pytest
import sqlalchemy as sa
from google.protobuf import json_format

from lastlayer.classifier.domain.head import softmax, unit_length
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.vectors import unpack
from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import (
    Add,
    Example,
    add,
    connected,
    examples,
    failure,
    known,
    predict,
    train,
    train_anew,
)
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, vector_of
from tests.unit.classifier.service.test_version_messages import EARLIER

Selector = classifier_pb2.ExampleSelector


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def by_content(*contents: bytes) -> list[Selector]:
    return [Selector(content_sha256=digest(content)) for content in contents]


async def listed(stub, dataset: str = "d", **fields) -> list[classifier_pb2.StoredExample]:
    request = classifier_pb2.ListExamplesRequest(dataset=dataset, **fields)
    found = []
    while True:
        page = await stub.ListExamples(request)
        found += page.examples
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def ids(found) -> list[str]:
    return [example.id for example in found]


class TestList:
    async def test_in_order_of_arrival_page_by_page(self, stub) -> None:
        await add(stub, "d", examples("cat", 3) + examples("dog", 2))
        whole = await listed(stub)
        assert ids(whole) == ["cat-0.jpg", "cat-1.jpg", "cat-2.jpg", "dog-0.jpg", "dog-1.jpg"]
        assert await listed(stub, page_size=2) == whole
        assert whole[3].content_sha256 == digest(b"dog-0")
        assert list(whole[3].labels) == ["dog"]
        assert not whole[3].thumbnail

    async def test_those_of_a_label_and_those_in_conflict(self, stub) -> None:
        await add(stub, "d", [*examples("cat", 2), Example(id="again.jpg", label="dog", content=b"cat-1")])
        assert ids(await listed(stub, label=" dog")) == ["cat-1.jpg"]
        [conflict] = await listed(stub, conflicts_only=True)
        assert (conflict.id, list(conflict.labels)) == ("cat-1.jpg", ["cat", "dog"])

    async def test_what_is_stale_is_counted_and_listed(self, stub, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 3))
        fake.name, fake.digest = "newer", "b" * 64
        await add(stub, "d", examples("cat", 1))
        dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="d"))
        assert (dataset.backbone, dataset.stale_count) == ("newer", 2)
        stale = await listed(stub, stale_only=True)
        assert ids(stale) == ["cat-1.jpg", "cat-2.jpg"]
        assert all(example.stale for example in stale)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"dataset": "../x"}, "dataset"),
            ({"page_size": 1001}, "page_size"),
            ({"page_size": -1}, "page_size"),
            ({"page_token": "!"}, "page_token"),
            ({"label": "a\nb"}, "label"),
        ],
    )
    async def test_a_wrong_request_names_its_field(self, stub, fields, field: str) -> None:
        await add(stub, "d", examples("cat", 1))
        request = classifier_pb2.ListExamplesRequest(**{"dataset": "d", **fields})
        details = await failure(stub.ListExamples(request))
        assert (details.code, details.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)

    async def test_of_a_dataset_that_is_not_there(self, stub) -> None:
        details = await failure(stub.ListExamples(classifier_pb2.ListExamplesRequest(dataset="d")))
        assert (details.code, details.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


async def relabel(stub, selectors: list[Selector], label: str, dataset: str = "d"):
    request = classifier_pb2.RelabelExamplesRequest(dataset=dataset, examples=selectors, label=label)
    return await stub.RelabelExamples(request)


async def remove(stub, selectors: list[Selector], dataset: str = "d"):
    return await stub.RemoveExamples(classifier_pb2.RemoveExamplesRequest(dataset=dataset, examples=selectors))


class TestRelabel:
    async def test_an_example_keeps_its_place_with_its_new_label(self, stub) -> None:
        await add(stub, "d", examples("cat", 2) + examples("dog", 1))
        before = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="d"))
        answer = await relabel(stub, [Selector(id="cat-0.jpg"), *by_content(b"dog-0")], " dog ")
        assert answer.changed_count == 1
        assert {entry.label: entry.example_count for entry in answer.dataset.classes} == {"dog": 2, "cat": 1}
        assert answer.dataset.update_time.ToNanoseconds() > before.update_time.ToNanoseconds()
        assert ids(await listed(stub)) == ["cat-0.jpg", "cat-1.jpg", "dog-0.jpg"]
        again = await relabel(stub, [Selector(id="cat-0.jpg")], "dog")
        assert (again.changed_count, again.dataset.update_time) == (0, answer.dataset.update_time)

    async def test_it_resolves_conflicts_without_the_featurizer(self, stub, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 3) + examples("dog", 3) + [known(b"cat-0", "dog")])
        assert (await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="d"))).conflict_count == 1
        sent = len(fake.requests)
        answer = await relabel(stub, by_content(b"cat-0"), "cat")
        assert (answer.changed_count, answer.dataset.conflict_count, answer.dataset.example_count) == (1, 0, 6)
        assert (await train(stub, "m", dataset="d")).example_count == 6
        assert len(fake.requests) == sent

    async def test_a_beginning_of_the_checksum_will_do(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        assert (await relabel(stub, [Selector(content_sha256=digest(b"cat-0")[:4])], "dog")).changed_count == 1

    @pytest.mark.parametrize(
        ("selectors", "label", "code", "field"),
        [
            ([], "x", "INVALID_ARGUMENT", "examples"),
            ([Selector()], "x", "INVALID_ARGUMENT", "examples[0]"),
            ([Selector(content_sha256=b"abc")], "x", "INVALID_ARGUMENT", "examples[0].content_sha256"),
            ([Selector(content_sha256=b"a" * 33)], "x", "INVALID_ARGUMENT", "examples[0].content_sha256"),
            ([Selector(id="cat-0.jpg"), Selector(id="same")], "x", "INVALID_ARGUMENT", "examples[1]"),
            ([Selector(id="cat-0.jpg")] * 1001, "x", "INVALID_ARGUMENT", "examples"),
            ([Selector(id="cat-0.jpg")], " ", "INVALID_ARGUMENT", "label"),
            ([Selector(id="cat-0.jpg"), Selector(id="nobody")], "x", "NOT_FOUND", ""),
            ([Selector(content_sha256=b"\xff" * 32)], "x", "NOT_FOUND", ""),
        ],
    )
    async def test_what_cannot_be_changes_nothing(self, stub, selectors, label: str, code: str, field: str) -> None:
        same = [Example(id="same", label="cat", content=content) for content in (b"cat-7", b"cat-8")]
        await add(stub, "d", examples("cat", 1) + same)
        details = await failure(relabel(stub, selectors, label))
        assert (details.code.name, details.field) == (code, field)
        assert [list(example.labels) for example in await listed(stub)] == [["cat"]] * 3


class TestLabelsOfPeople:
    async def test_one_is_not_undone_by_adding_the_image_again(self, stub) -> None:
        await add(stub, "d", examples("cat", 3))
        await relabel(stub, by_content(b"cat-1"), "fox")
        for again in (examples("cat", 3), [known(b"cat-1", "cat")]):
            outcomes = await add(stub, "d", again)
            assert {outcome.WhichOneof("outcome") for outcome in outcomes} == {"present"}
            kept = [(outcome.label, outcome.label_trimmed) for outcome in outcomes if outcome.present.relabelled]
            assert kept == [("fox", False)]
        assert [list(example.labels) for example in await listed(stub)] == [["cat"], ["fox"], ["cat"]]

    async def test_one_that_is_the_same_as_before_holds_too(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        assert (await relabel(stub, by_content(b"cat-0"), "cat")).changed_count == 0
        await add(stub, "d", [known(b"cat-0", "dog")])
        assert [list(example.labels) for example in await listed(stub)] == [["cat"]]

    async def test_one_is_changed_by_people_alone_and_goes_with_its_example(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        await relabel(stub, by_content(b"cat-0"), "fox")
        await relabel(stub, by_content(b"cat-0"), "dog")
        assert [list(example.labels) for example in await listed(stub)] == [["dog"]]
        await remove(stub, by_content(b"cat-0"))
        [outcome] = await add(stub, "d", examples("cat", 1))
        assert outcome.WhichOneof("outcome") == "added"
        assert [list(example.labels) for example in await listed(stub)] == [["cat"]]

    async def test_the_label_that_was_sent_again_is_no_news(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        await relabel(stub, by_content(b"cat-0"), "fox")
        [outcome] = await add(stub, "d", [known(b"cat-0", "fox")])
        assert (outcome.WhichOneof("outcome"), outcome.present.relabelled) == ("present", False)


class TestRemove:
    async def test_with_the_last_example_the_backbone_goes(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        dataset = (await remove(stub, [Selector(id="cat-0.jpg")])).dataset
        assert (dataset.example_count, dataset.backbone, dataset.backbone_digest) == (0, "", "")
        details = await failure(train(stub, "d"))
        assert (details.reason, details.message) == ("DATASET_NOT_TRAINABLE", "The dataset `d` has no examples.")

    async def test_features_go_with_the_last_dataset_that_has_the_image(self, stub, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 3))
        await add(stub, "other", examples("cat", 1))
        answer = await remove(stub, by_content(b"cat-0", b"cat-1"))
        assert (answer.removed_count, answer.dataset.example_count) == (2, 1)
        assert ids(await listed(stub)) == ["cat-2.jpg"]
        # The image that another dataset has need not be featurized again; the other one must be.
        outcomes = await add(stub, "d", [known(b"cat-0", "cat"), known(b"cat-1", "cat")])
        assert [outcome.WhichOneof("outcome") for outcome in outcomes] == ["added", "content_needed"]

    async def test_all_or_none(self, stub) -> None:
        await add(stub, "d", examples("cat", 2))
        details = await failure(remove(stub, [Selector(id="cat-0.jpg"), Selector(id="nobody")]))
        assert (details.code, details.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")
        assert len(await listed(stub)) == 2


class TestPages:
    async def test_a_page_ends_early_where_thumbnails_are_large(self, stub, fake: FakeFeaturizer) -> None:
        fake.thumbnail = b"x" * 3_000_000
        for example in examples("cat", 6):
            await add(stub, "d", [example])
        page = await stub.ListExamples(classifier_pb2.ListExamplesRequest(dataset="d", thumbnails=True))
        assert len(page.examples) == 2
        assert ids(await listed(stub, thumbnails=True)) == [f"cat-{number}.jpg" for number in range(6)]


class TestThumbnails:
    async def test_they_are_kept_unless_it_is_said(self, stub, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 1))
        [kept] = await listed(stub, thumbnails=True)
        assert kept.thumbnail == b"small cat-0"
        request = Add(dataset="private", examples=examples("dog", 1), no_thumbnails=True)
        [_] = [answer async for answer in stub.AddExamples(iter([request]))]
        [unpictured] = await listed(stub, "private", thumbnails=True)
        assert not unpictured.thumbnail
        assert [request.thumbnails for _, request in fake.requests] == [True, False]

    async def test_one_is_taken_over_from_another_dataset(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        await add(stub, "other", [known(b"cat-0", "cat")])
        request = Add(dataset="private", examples=[known(b"cat-0", "cat")], no_thumbnails=True)
        [_] = [answer async for answer in stub.AddExamples(iter([request]))]
        pictures = [(await listed(stub, name, thumbnails=True))[0].thumbnail for name in ("other", "private")]
        assert pictures == [b"small cat-0", b""]

    async def test_it_goes_with_its_example(self, stub) -> None:
        await add(stub, "d", examples("cat", 2))
        await remove(stub, by_content(b"cat-0"))
        await add(stub, "other", examples("cat", 1))
        await stub.DeleteDataset(classifier_pb2.DeleteDatasetRequest(name="other"))
        request = Add(dataset="d", examples=examples("cat", 1), no_thumbnails=True)
        [_] = [answer async for answer in stub.AddExamples(iter([request]))]
        assert [example.thumbnail for example in await listed(stub, thumbnails=True)] == [b"small cat-1", b""]


async def review(stub, **fields) -> classifier_pb2.ReviewExamplesResponse:
    request = classifier_pb2.ReviewExamplesRequest(**{"model": "m", **fields})
    answer: classifier_pb2.ReviewExamplesResponse = await stub.ReviewExamples(request)
    return answer


class TestReview:
    async def add_with_a_wrong_label(self, stub) -> None:
        """One dog is labelled as a cat."""
        wrong = Example(id="wrong.jpg", label="cat", content=b"dog-99")
        await add(stub, "m", examples("cat", 12) + examples("dog", 12) + [wrong])

    async def test_a_wrong_label_is_found_with_the_right_one(self, stub) -> None:
        await self.add_with_a_wrong_label(stub)
        await train(stub)
        for kind in (classifier_pb2.REVIEW_KIND_SUSPICIOUS_LABELS, classifier_pb2.REVIEW_KIND_MISTAKES):
            found = await review(stub, kind=kind, thumbnails=True)
            worst = found.examples[0]
            assert (worst.example.id, worst.label, worst.suggested_label) == ("wrong.jpg", "cat", "dog")
            assert worst.label_probability < 0.5 < worst.suggested_probability
            assert worst.example.thumbnail == b"small dog-99"
            assert found.total_count == len(found.examples)

    async def test_what_was_put_right_is_not_listed_again(self, stub) -> None:
        await self.add_with_a_wrong_label(stub)
        await train(stub)
        before = await review(stub)
        await relabel(stub, [Selector(id="wrong.jpg")], "dog", dataset="m")
        after = await review(stub)
        assert after.total_count == before.total_count - 1
        assert "wrong.jpg" not in [entry.example.id for entry in after.examples]
        assert (await train(stub)).cross_validation.micro_accuracy == 1

    async def test_where_there_is_nothing_to_review(self, stub) -> None:
        await add(stub, "m", examples("cat", 1) + examples("dog", 1))
        await train(stub)
        assert (await review(stub)).total_count == 0
        await stub.DeleteDataset(classifier_pb2.DeleteDatasetRequest(name="m"))
        assert (await review(stub)).total_count == 0

    @pytest.mark.parametrize(("fields", "field"), [({"kind": 9}, "kind"), ({"page_size": -1}, "page_size")])
    async def test_a_wrong_request_names_its_field(self, stub, fields, field: str) -> None:
        await train_anew(stub)
        details = await failure(review(stub, **fields))
        assert (details.code, details.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)

    async def test_of_a_version_that_is_not_there(self, stub) -> None:
        details = await failure(review(stub))
        assert details.code == grpc.StatusCode.NOT_FOUND


async def test_a_new_class_is_all_that_is_sent_and_featurized(stub, fake: FakeFeaturizer) -> None:
    """A sixth class for a model of five; the vectors of the others are not even read from the network again."""
    five = [example for kind in ("ant", "bee", "cat", "dog", "elk") for example in examples(kind, 4)]
    await add(stub, "m", five)
    assert len((await train(stub)).classes) == 5
    featurized = len(fake.contents)
    sixth = examples("fox", 4)
    outcomes = await add(stub, "m", [known(example.content, example.label) for example in [*five, *sixth]])
    needed = [number for number, outcome in enumerate(outcomes) if outcome.HasField("content_needed")]
    assert needed == list(range(20, 24))
    await add(stub, "m", sixth)
    version = await train(stub)
    assert (len(version.classes), version.example_count) == (6, 24)
    assert sorted(fake.contents[featurized:]) == sorted(example.content for example in sixth)


async def test_the_numbers_of_a_head_predict_what_the_service_does(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    head = await stub.GetHead(classifier_pb2.GetHeadRequest(model="m"))
    assert [(tap.name, tap.dimension) for tap in head.taps] == [("conv", 8)]
    assert (head.unit_length, list(head.classes), head.backbone_digest) == (True, ["cat", "dog"], fake.digest)
    [result] = (await predict(stub, [b"cat-77"])).results
    vector = unit_length(vector_of(b"cat-77", "conv", 8)[None])
    weights, biases = unpack(head.weights).reshape(8, 2), unpack(head.biases)
    expected = softmax((vector @ weights + biases).astype(np.float64))[0]
    found = {score.label: score.score for score in result.prediction.scores}
    assert [found[label] for label in head.classes] == pytest.approx(list(expected), abs=1e-5)
    details = await failure(stub.GetHead(classifier_pb2.GetHeadRequest(model="m", version=9)))
    assert details.code == grpc.StatusCode.NOT_FOUND


async def evaluate(stub, *new: Example) -> classifier_pb2.Evaluation:
    request = classifier_pb2.EvaluateRequest(model="m", examples=new)
    evaluation: classifier_pb2.Evaluation = [answer async for answer in stub.Evaluate(iter([request]))][-1].evaluation
    return evaluation


async def test_evaluated_training_images_are_told(stub) -> None:
    await train_anew(stub)
    evaluation = await evaluate(stub, *examples("cat", 2), Example(id="new", label="dog", content=b"owl-5"))
    assert evaluation.near_duplicate_count >= 2
    found = {near.id: near for near in evaluation.near_duplicates}
    assert found["cat-0.jpg"].similarity == pytest.approx(1)
    assert (found["cat-0.jpg"].training_id, found["cat-0.jpg"].training_label) == ("cat-0.jpg", "cat")
    assert "new" not in found
    await stub.DeleteDataset(classifier_pb2.DeleteDatasetRequest(name="m"))
    assert (await evaluate(stub, *examples("cat", 2))).near_duplicate_count == 0


async def test_what_was_added_after_the_training_is_no_near_duplicate(stub) -> None:
    await train_anew(stub)
    later = [Example(id="owl", label="dog", content=b"owl-5"), Example(id="elk", label="cat", content=b"elk-5")]
    await add(stub, "m", later)
    evaluation = await evaluate(stub, *later, *examples("cat", 1))
    assert [near.id for near in evaluation.near_duplicates] == ["cat-0.jpg"]
    await train(stub)
    assert (await evaluate(stub, *later)).near_duplicate_count == 2


async def test_what_looks_like_a_training_image_is_a_near_duplicate_of_it(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    copy = Example(id="copy", label="dog", content=b"owl-5~dog-3")
    other = Example(id="other", label="dog", content=b"owl-6~dog-33")
    evaluation = await evaluate(stub, copy, other)
    [near] = evaluation.near_duplicates
    assert (near.id, near.training_id, near.training_label) == ("copy", "dog-3.jpg", "dog")
    assert near.similarity < 0.9
    asked = [request.perceptual_hashes for _, request in fake.requests]
    assert asked == [True, True]
    await predict(stub, [b"cat-1"])  # which has no use for them
    assert not fake.requests[-1][1].perceptual_hashes


async def test_near_duplicates_need_features_of_the_versions_backbone(stub, fake: FakeFeaturizer) -> None:
    await train_anew(stub)
    assert (await evaluate(stub, *examples("cat", 2))).near_duplicate_count >= 2
    moved, fake.digest = fake.digest, "b" * 64
    await add(stub, "m", examples("cat", 6))
    fake.digest = moved
    assert (await evaluate(stub, *examples("cat", 2))).near_duplicate_count == 0


async def test_a_store_of_the_first_release_is_brought_up(settings: ClassifierSettings) -> None:
    """Its versions have no held-out results and their facts as JSON, and its examples no thumbnails."""
    earlier = json.loads(EARLIER.read_text())[0]
    async with connected(settings) as stub:
        await train_anew(stub)
    engine = sa.create_engine(settings.store)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE pool")
        connection.exec_driver_sql("ALTER TABLE versions DROP COLUMN drift_reference")
        connection.exec_driver_sql("DROP TABLE thumbnails")
        connection.exec_driver_sql("DROP TABLE perceptual_hashes")
        connection.exec_driver_sql("DROP TABLE feature_precisions")
        connection.exec_driver_sql("ALTER TABLE backbones DROP COLUMN precision")
        connection.exec_driver_sql("ALTER TABLE datasets DROP COLUMN views")
        connection.exec_driver_sql("ALTER TABLE datasets DROP COLUMN multi_label")
        connection.exec_driver_sql("DROP INDEX examples_by_arrival")
        connection.exec_driver_sql("ALTER TABLE examples DROP COLUMN relabelled")
        connection.exec_driver_sql("ALTER TABLE versions DROP COLUMN held_out")
        connection.exec_driver_sql("ALTER TABLE versions DROP COLUMN description")
        connection.exec_driver_sql("UPDATE versions SET facts = ?", (json.dumps(earlier["facts"]),))
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    async with connected(settings) as stub:
        assert (await review(stub)).total_count == 0
        version = await stub.GetModelVersion(classifier_pb2.GetModelVersionRequest(model="m"))
        kept = json_format.MessageToDict(version, preserving_proto_field_name=True)
        assert kept.keys() == earlier["message"].keys()
        assert kept["cross_validation"] == earlier["message"]["cross_validation"]
        assert kept["comparisons"] == earlier["message"]["comparisons"]
        model = await stub.GetModel(classifier_pb2.GetModelRequest(name="m"))
        assert list(model.classes) == earlier["facts"]["classes"]
        [first, *_] = await listed(stub, "m", thumbnails=True)
        assert not first.thumbnail
        assert (await predict(stub, [b"cat-1"])).results[0].prediction.scores[0].label == "cat"
