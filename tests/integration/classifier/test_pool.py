"""Pools over the wire: images that wait for a label, listed, labelled, taken back and removed."""

from collections.abc import Sequence

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
    train,
)
from tests.integration.classifier.fake_featurizer import FakeFeaturizer
from tests.integration.classifier.test_curation import Selector, by_content, digest, ids, listed, relabel, remove


def unlabelled(kind: str, count: int, start: int = 0) -> list[Example]:
    return [Example(id=f"{content.decode()}.jpg", content=content) for content in images(kind, count, start)]


async def add_to_pool(stub, new: Sequence[Example], dataset: str = "d", **fields):
    request = Add(dataset=dataset, examples=new, pool=True, **fields)
    [response] = [answer async for answer in stub.AddExamples(iter([request]))]
    return list(response.outcomes)


async def get(stub, dataset: str = "d") -> classifier_pb2.Dataset:
    found: classifier_pb2.Dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name=dataset))
    return found


async def waiting(stub, **fields) -> list[classifier_pb2.StoredExample]:
    return await listed(stub, pool=True, **fields)


async def back(stub, selectors: list[Selector], **fields):
    request = classifier_pb2.RelabelExamplesRequest(dataset="d", examples=selectors, to_pool=True, **fields)
    return await stub.RelabelExamples(request)


class TestAdd:
    async def test_images_are_featurized_once_and_wait_in_order(self, stub, fake: FakeFeaturizer) -> None:
        outcomes = await add_to_pool(stub, [*unlabelled("cat", 3), *unlabelled("cat", 1)])
        assert kinds(outcomes) == ["added", "added", "added", "present"]
        assert {outcome.label for outcome in outcomes} == {""}
        assert kinds(await add_to_pool(stub, unlabelled("cat", 3))) == ["present"] * 3
        assert len(fake.requests) == 1
        dataset = await get(stub)
        assert (dataset.pool_count, dataset.example_count, dataset.backbone) == (3, 0, fake.name)
        assert [entry.name for entry in (await stub.ListDatasets(classifier_pb2.ListDatasetsRequest())).datasets] == [
            "d"
        ]
        found = await waiting(stub, thumbnails=True)
        assert ids(found) == ["cat-0.jpg", "cat-1.jpg", "cat-2.jpg"]
        assert [entry.thumbnail for entry in found] == [b"small " + content for content in images("cat", 3)]
        assert not any(entry.labels for entry in found)
        assert {entry.source for entry in found} == {classifier_pb2.POOL_SOURCE_ADDED}
        assert found[0].pool_time.ToNanoseconds() == dataset.update_time.ToNanoseconds()
        assert await waiting(stub, page_size=2, thumbnails=True) == found

    async def test_a_checksum_is_enough_where_the_features_are_stored(self, stub) -> None:
        asked = [Example(content_sha256=digest(content)) for content in images("cat", 2)]
        assert kinds(await add_to_pool(stub, asked)) == ["content_needed"] * 2
        await add(stub, "other", examples("cat", 1))
        assert kinds(await add_to_pool(stub, asked)) == ["added", "content_needed"]
        [found] = await waiting(stub, thumbnails=True)
        assert found.thumbnail == b"small cat-0"

    async def test_no_thumbnails_and_views(self, stub, fake: FakeFeaturizer) -> None:
        await add_to_pool(stub, unlabelled("cat", 1), no_thumbnails=True, views=[types_pb2.VIEW_WHOLE])
        assert list((await get(stub)).views) == [types_pb2.VIEW_WHOLE]
        assert not (await waiting(stub, thumbnails=True))[0].thumbnail
        [(_, request)] = fake.requests
        assert list(request.views) == [types_pb2.VIEW_WHOLE]

    async def test_an_example_stays_one_and_says_its_label(self, stub) -> None:
        await add(stub, "d", [*examples("cat", 2), Example(id="again", label="dog", content=b"cat-1")])
        outcomes = await add_to_pool(stub, unlabelled("cat", 3))
        assert kinds(outcomes) == ["present", "present", "added"]
        assert [outcome.label for outcome in outcomes] == ["cat", "cat", ""]
        assert ids(await waiting(stub)) == ["cat-2.jpg"]

    async def test_a_label_takes_an_image_out(self, stub) -> None:
        await add_to_pool(stub, unlabelled("cat", 2))
        [outcome] = await add(stub, "d", [known(b"cat-0", "cat")])
        assert (outcome.WhichOneof("outcome"), outcome.label) == ("added", "cat")
        dataset = await get(stub)
        assert (dataset.pool_count, dataset.example_count) == (1, 1)

    async def test_one_bad_image_fails_alone(self, stub) -> None:
        new = [
            Example(id="a", content=b"bad-0"),
            Example(id="b", content=b"cat-0", label="cat"),
            Example(id="c", content=b"cat-1"),
            Example(id="d"),
        ]
        outcomes = await add_to_pool(stub, new)
        assert kinds(outcomes) == ["error", "error", "added", "error"]
        assert "Images of the pool have no label" in outcomes[1].error.message
        assert (await get(stub)).pool_count == 1

    async def test_the_first_message_says_what_the_stream_is_for(self, stub) -> None:
        requests = [Add(dataset="d", examples=unlabelled("cat", 1), pool=True), Add(examples=unlabelled("dog", 1))]
        answers = [answer async for answer in stub.AddExamples(iter(requests))]
        assert [kinds(answer.outcomes) for answer in answers] == [["added"], ["added"]]
        assert (await get(stub)).pool_count == 2


async def test_what_has_only_a_pool_cannot_be_trained_on(stub) -> None:
    await add_to_pool(stub, unlabelled("cat", 2))
    details = await failure(stub.Train(classifier_pb2.TrainRequest(model="d")))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DATASET_NOT_TRAINABLE")
    assert "2 images without a label in its pool: label some of them; `client next --dataset d`" in details.message


class TestList:
    async def test_what_is_named_is_listed_wherever_it_is(self, stub) -> None:
        await add(stub, "d", examples("cat", 2))
        await add_to_pool(stub, unlabelled("dog", 3))
        named = [*by_content(b"dog-2", b"cat-1", b"none"), Selector(id="dog-0.jpg"), Selector(id="none")]
        found = await listed(stub, selected=named, thumbnails=True)
        assert ids(found) == ["cat-1.jpg", "dog-0.jpg", "dog-2.jpg"]
        assert found[2].thumbnail == b"small dog-2"
        assert await listed(stub, selected=named, thumbnails=True, page_size=2) == found

    async def test_what_is_stale(self, stub, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("cat", 1))
        await add_to_pool(stub, unlabelled("dog", 2))
        fake.name, fake.digest = "newer", "b" * 64
        await add(stub, "d", examples("cat", 1))
        await add_to_pool(stub, unlabelled("dog", 1))
        [stale] = await waiting(stub, stale_only=True)
        assert (stale.id, stale.stale) == ("dog-1.jpg", True)

    async def test_what_is_stale_is_sent_again_and_waits_on(self, stub, fake: FakeFeaturizer) -> None:
        await add_to_pool(stub, unlabelled("dog", 2))
        before = await waiting(stub)
        fake.name, fake.digest = "newer", "b" * 64
        asked = [Example(content_sha256=digest(content)) for content in images("dog", 2)]
        assert kinds(await add_to_pool(stub, asked)) == ["content_needed"] * 2
        assert kinds(await add_to_pool(stub, unlabelled("dog", 2))) == ["present"] * 2
        assert (await get(stub)).backbone == "newer"
        assert await waiting(stub) == before
        assert not await waiting(stub, stale_only=True)

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"pool": True, "label": "cat"}, "label"),
            ({"pool": True, "conflicts_only": True}, "conflicts_only"),
            ({"selected": by_content(b"cat-0"), "pool": True}, "selected"),
            ({"selected": by_content(b"cat-0"), "stale_only": True}, "selected"),
            ({"selected": [Selector()]}, "selected[0]"),
            ({"selected": by_content(b"cat-0"), "page_size": -1}, "page_size"),
            ({"selected": [Selector(content_sha256=b"123")]}, "selected[0].content_sha256"),
            ({"selected": [Selector(id="same")]}, "selected[0]"),
            ({"selected": [Selector(id="x")] * 1001}, "selected"),
        ],
    )
    async def test_a_wrong_request_names_its_field(self, stub, fields, field: str) -> None:
        await add_to_pool(stub, [Example(id="same", content=content) for content in images("cat", 2)])
        details = await failure(stub.ListExamples(classifier_pb2.ListExamplesRequest(dataset="d", **fields)))
        assert (details.code, details.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


class TestLabel:
    async def test_it_makes_examples_that_can_be_trained_on(self, stub) -> None:
        await add_to_pool(stub, unlabelled("cat", 6) + unlabelled("dog", 6) + unlabelled("bird", 1))
        answer = await relabel(stub, by_content(*images("cat", 6)), "cat")
        assert (answer.changed_count, answer.dataset.pool_count) == (6, 7)
        await relabel(stub, [Selector(id=f"dog-{number}.jpg") for number in range(6)], " dog ")
        assert ids(await waiting(stub)) == ["bird-0.jpg"]
        assert list((await train(stub, "d")).classes) == ["cat", "dog"]
        [outcome] = await add(stub, "d", [known(b"dog-0", "cat")])
        assert (outcome.label, outcome.present.relabelled) == ("dog", True)

    async def test_an_example_goes_back_without_its_labels(self, stub) -> None:
        await add(stub, "d", examples("cat", 2))
        answer = await back(stub, by_content(b"cat-0"))
        assert (answer.changed_count, answer.dataset.pool_count, answer.dataset.example_count) == (1, 1, 1)
        assert (await back(stub, by_content(b"cat-0"))).changed_count == 0
        assert ids(await waiting(stub)) == ["cat-0.jpg"]
        assert kinds(await add(stub, "d", [known(b"cat-0", "dog")])) == ["added"]

    async def test_a_label_and_the_pool_exclude_each_other(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        details = await failure(back(stub, by_content(b"cat-0"), label="cat"))
        assert (details.code, details.field) == (grpc.StatusCode.INVALID_ARGUMENT, "label")

    async def test_none_where_one_is_not_there(self, stub) -> None:
        await add(stub, "d", examples("cat", 1))
        for call in (back(stub, by_content(b"cat-0", b"cat-9")), relabel(stub, by_content(b"cat-9"), "x")):
            assert (await failure(call)).reason == "RESOURCE_NOT_FOUND"
        assert (await get(stub)).example_count == 1


async def test_removed_images_are_gone(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "d", examples("cat", 1))
    await add_to_pool(stub, unlabelled("dog", 2))
    answer = await remove(stub, [*by_content(b"dog-0"), Selector(id="cat-0.jpg")])
    assert (answer.removed_count, answer.dataset.pool_count, answer.dataset.example_count) == (2, 1, 0)
    assert answer.dataset.backbone == fake.name
    asked = [Example(content_sha256=digest(content)) for content in images("dog", 2)]
    assert kinds(await add_to_pool(stub, asked)) == ["content_needed", "present"]


async def next_examples(stub, **fields) -> classifier_pb2.NextExamplesResponse:
    request = classifier_pb2.NextExamplesRequest(**{"dataset": "d", **fields})
    answer: classifier_pb2.NextExamplesResponse = await stub.NextExamples(request)
    return answer


class TestNext:
    async def test_typical_ones_without_guesses_while_there_are_no_two_classes(self, stub) -> None:
        await add_to_pool(stub, unlabelled("cat", 8) + unlabelled("dog", 8) + unlabelled("bird", 8))
        answer = await next_examples(stub, count=3)
        assert answer.strategy == classifier_pb2.NEXT_STRATEGY_TYPICAL
        assert {entry.example.id.partition("-")[0] for entry in answer.examples} == {"cat", "dog", "bird"}
        assert not any(entry.scores or entry.example.labels or entry.example.thumbnail for entry in answer.examples)
        assert (answer.pool_count, answer.stale_count, list(answer.classes)) == (24, 0, [])
        assert await next_examples(stub, count=3) == answer
        pictured = await next_examples(stub, count=1, thumbnails=True)
        assert pictured.examples[0].example.thumbnail.startswith(b"small ")

    async def test_guesses_where_there_are_two(self, stub, fake: FakeFeaturizer) -> None:
        await add(stub, "d", examples("dog", 5) + examples("cat", 5))
        # Those of one kind are near duplicates of each other.
        await add_to_pool(stub, unlabelled("cat", 2, start=20) + unlabelled("bird", 2) + unlabelled("fish", 2))
        answer = await next_examples(stub)
        assert answer.strategy == classifier_pb2.NEXT_STRATEGY_UNCERTAIN
        assert list(answer.classes) == ["dog", "cat"]
        assert {entry.example.id.partition("-")[0] for entry in answer.examples} == {"bird", "fish"}
        assert len(answer.examples) == 2
        for entry in answer.examples:
            assert {score.label for score in entry.scores} == {"cat", "dog"}
            assert entry.scores[0].score >= entry.scores[1].score
            assert sum(score.score for score in entry.scores) == pytest.approx(1)

    async def test_at_most_nine_guesses(self, stub) -> None:
        await add(stub, "d", [example for number in range(11) for example in examples(f"kind{number}", 2)])
        await add_to_pool(stub, unlabelled("other", 1))
        [entry] = (await next_examples(stub)).examples
        assert len(entry.scores) == 9

    async def test_what_is_labelled_is_not_suggested_again(self, stub) -> None:
        await add_to_pool(stub, [example for number in range(6) for example in unlabelled(f"kind{number}", 1)])
        chosen = []
        for label in ("cat", "dog", "cat"):
            [entry] = (await next_examples(stub, count=1)).examples
            chosen.append(entry.example.id)
            await relabel(stub, [Selector(content_sha256=entry.example.content_sha256)], label)
        answer = await next_examples(stub)
        assert (answer.pool_count, list(answer.classes)) == (3, ["cat", "dog"])
        assert len({*chosen, *(entry.example.id for entry in answer.examples)}) == 6

    async def test_what_is_stale_is_counted(self, stub, fake: FakeFeaturizer) -> None:
        await add_to_pool(stub, unlabelled("cat", 3))
        fake.name, fake.digest = "newer", "b" * 64
        await add_to_pool(stub, unlabelled("dog", 2))
        answer = await next_examples(stub)
        assert (answer.pool_count, answer.stale_count) == (5, 3)
        assert {entry.example.id for entry in answer.examples} <= {"dog-0.jpg", "dog-1.jpg"}

    async def test_of_an_empty_pool(self, stub) -> None:
        await add(stub, "d", examples("cat", 2))
        answer = await next_examples(stub)
        assert (list(answer.examples), answer.pool_count, list(answer.classes)) == ([], 0, ["cat"])

    @pytest.mark.parametrize(
        ("fields", "code", "field"),
        [
            ({"dataset": "../x"}, grpc.StatusCode.INVALID_ARGUMENT, "dataset"),
            ({"count": -1}, grpc.StatusCode.INVALID_ARGUMENT, "count"),
            ({"count": 201}, grpc.StatusCode.INVALID_ARGUMENT, "count"),
            ({"dataset": "none"}, grpc.StatusCode.NOT_FOUND, ""),
        ],
    )
    async def test_a_wrong_request_names_its_field(self, stub, fields, code: grpc.StatusCode, field: str) -> None:
        details = await failure(next_examples(stub, **fields))
        assert (details.code, details.field) == (code, field)
