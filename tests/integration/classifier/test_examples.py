"""AddExamples: outcomes, order, idempotence, and what happens to neighbours of what fails."""

import hashlib

import grpc

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.channel import MAX_MESSAGE_BYTES
from lastlayer.rpc.errors import InvalidFieldError, OverloadedError
from lastlayer.rpc.status import read_status
from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import (
    Add,
    Example,
    add,
    connected,
    examples,
    failure,
    images,
    kinds,
    known,
    train,
)
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, Hang, serving


async def dataset_of(stub, name="d") -> classifier_pb2.Dataset:
    dataset: classifier_pb2.Dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name=name))
    return dataset


async def test_new_images_are_added_and_counted(stub, fake: FakeFeaturizer) -> None:
    outcomes = await add(stub, "d", [Example(id="1.jpg", label=" cat\t", content=b"cat-1"), *examples("dog", 2)])
    assert kinds(outcomes) == ["added"] * 3
    first = outcomes[0]
    assert (first.id, first.label, first.label_trimmed) == ("1.jpg", "cat", True)
    assert first.content_sha256 == hashlib.sha256(b"cat-1").digest()
    dataset = await dataset_of(stub)
    assert [(entry.label, entry.example_count) for entry in dataset.classes] == [("cat", 1), ("dog", 2)]
    assert (dataset.example_count, dataset.backbone, dataset.backbone_digest) == (3, "fake", fake.digest)
    assert dataset.create_time.seconds > 1_600_000_000
    # All taps are kept, whatever is trained on later; and bulk work leaves the places of single calls alone.
    [(method, request)] = fake.requests
    assert (method, list(request.taps), request.backbone_digest) == ("FeaturizeStream", ["conv", "scores"], fake.digest)


async def test_what_is_stored_is_not_featurized_again(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "d", examples("cat", 3))
    assert kinds(await add(stub, "d", examples("cat", 4))) == ["present"] * 3 + ["added"]
    assert kinds(await add(stub, "other", examples("cat", 4))) == ["added"] * 4
    assert fake.contents == images("cat", 4)


async def test_a_checksum_alone_is_enough_for_what_is_stored(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "d", examples("cat", 1))
    probes = [known(b"cat-0", "cat"), known(b"cat-1", "cat")]
    assert kinds(await add(stub, "d", probes)) == ["present", "content_needed"]
    assert kinds(await add(stub, "other", probes)) == ["added", "content_needed"]
    assert (await dataset_of(stub, "other")).example_count == 1
    assert fake.contents == [b"cat-0"]


async def test_one_bad_example_fails_alone(stub) -> None:
    outcomes = await add(
        stub,
        "d",
        [
            Example(id="ok", label="cat", content=b"cat-1"),
            Example(id="broken", label="cat", content=b"bad"),
            Example(id="empty", label="cat", content=b""),
            Example(id="blank", label=" \n", content=b"cat-2"),
            Example(id="long", label="x" * 257, content=b"cat-2"),
            Example(id="short", label="cat", content_sha256=b"123"),
            Example(id="none", label="cat"),
            Example(id="i" * 1025, label="cat", content=b"cat-2"),
        ],
    )
    assert kinds(outcomes) == ["added"] + ["error"] * 7
    said = [read_status(outcome.error) for outcome in outcomes[1:]]
    assert {details.code for details in said} == {grpc.StatusCode.INVALID_ARGUMENT}
    assert [(details.reason, details.field) for details in said] == [
        ("IMAGE_UNDECODABLE", ""),
        ("IMAGE_EMPTY", ""),
        ("INVALID_FIELD", "examples[3].label"),
        ("INVALID_FIELD", "examples[4].label"),
        ("INVALID_FIELD", "examples[5].content_sha256"),
        ("INVALID_FIELD", "examples[6]"),
        ("INVALID_FIELD", "examples[7].id"),
    ]
    assert [details.message for details in said][:4] == [
        "The bytes are no image.",
        "The image has no bytes.",
        "The label has 0 characters; 1 to 256 are accepted.",
        "The label has 257 characters; 1 to 256 are accepted.",
    ]
    assert outcomes[3].content_sha256 == hashlib.sha256(b"cat-2").digest()
    assert (await dataset_of(stub)).example_count == 1


async def test_an_image_with_two_labels_is_a_conflict(stub, fake: FakeFeaturizer) -> None:
    await add(stub, "d", [*examples("cat", 2), Example(label="dog", content=b"dog-1")])
    [outcome] = await add(stub, "d", [Example(label="dog", content=b"cat-1")])
    assert list(outcome.conflict.labels) == ["cat", "dog"]
    [again] = await add(stub, "d", [known(b"cat-1", "cat")])
    assert list(again.conflict.labels) == ["cat", "dog"]
    dataset = await dataset_of(stub)
    assert (dataset.example_count, dataset.conflict_count) == (2, 1)
    assert fake.contents.count(b"cat-1") == 1


async def test_the_same_image_twice_in_a_stream_is_featurized_once(stub, fake: FakeFeaturizer) -> None:
    hang = Hang()
    fake.script = [hang]
    one = Example(label="cat", content=b"cat-1")
    call = stub.AddExamples()
    await call.write(Add(dataset="d", examples=[one, one]))
    await hang.entered.wait()
    await call.write(Add(examples=[one, Example(label="cat", content=b"cat-2")]))
    await call.done_writing()
    hang.released.set()
    answers = [kinds(answer.outcomes) async for answer in call]
    assert answers == [["added", "present"], ["present", "added"]]
    assert sorted(fake.contents) == [b"cat-1", b"cat-2"]


async def test_classes_are_in_the_order_of_their_arrival_whatever_is_featurized_first(
    stub, fake: FakeFeaturizer
) -> None:
    first, second = Hang(), Hang()
    fake.script = [first, second]
    call = stub.AddExamples()
    await call.write(Add(dataset="d", examples=examples("zebra", 1)))
    await first.entered.wait()
    await call.write(Add(dataset="d", examples=examples("ape", 1)))
    await call.done_writing()
    await second.entered.wait()
    second.released.set()
    await second.answered.wait()
    first.released.set()
    assert [kinds(answer.outcomes) async for answer in call] == [["added"], ["added"]]
    assert [entry.label for entry in (await dataset_of(stub)).classes] == ["zebra", "ape"]


async def test_many_messages_are_answered_in_order_and_a_few_are_in_work(stub, fake: FakeFeaturizer) -> None:
    requests = [Add(dataset="d", examples=examples("cat", 2, start=2 * number)) for number in range(20)]
    answers = [answer async for answer in stub.AddExamples(iter(requests))]
    ids = [outcome.id for answer in answers for outcome in answer.outcomes]
    assert ids == [f"cat-{number}.jpg" for number in range(40)]
    assert (await dataset_of(stub)).example_count == 40


async def test_what_was_acknowledged_outlives_the_service(settings: ClassifierSettings, fake: FakeFeaturizer) -> None:
    async with connected(settings) as stub:
        await add(stub, "d", examples("cat", 3))
    async with connected(settings) as stub:
        assert kinds(await add(stub, "d", examples("cat", 3))) == ["present"] * 3
    assert len(fake.contents) == 3


async def test_a_broken_stream_leaves_what_it_acknowledged(stub, fake: FakeFeaturizer) -> None:
    call = stub.AddExamples()
    await call.write(Add(dataset="d", examples=examples("cat", 2)))
    assert kinds((await call.read()).outcomes) == ["added"] * 2
    hang = Hang()
    fake.script = [hang]
    await call.write(Add(examples=examples("dog", 2)))
    await hang.entered.wait()
    call.cancel()
    await hang.cancelled.wait()  # the featurizer hears of it
    assert (await dataset_of(stub)).example_count == 2
    assert kinds(await add(stub, "d", examples("cat", 2) + examples("dog", 2))) == ["present"] * 2 + ["added"] * 2


async def test_the_name_of_the_dataset(stub) -> None:
    for name, shown in (("", "The dataset is empty"), ("../etc", "The dataset is `../etc`")):
        details = await failure(stub.AddExamples(iter([Add(dataset=name, examples=examples("cat", 1))])))
        assert (details.code, details.reason, details.field) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_FIELD",
            "dataset",
        )
        assert details.message.startswith(shown)
    changed = await failure(stub.AddExamples(iter([Add(dataset="a"), Add(dataset="b")])))
    assert changed.message == "The dataset changed within a stream; open one for each."
    assert (await failure(stub.AddExamples(iter([])))).field == "dataset"


async def test_a_message_may_hold_no_examples_but_not_too_many(stub) -> None:
    assert await add(stub, "d", []) == []
    details = await failure(stub.AddExamples(iter([Add(dataset="d", examples=examples("cat", 257))])))
    assert (details.field, details.message) == (
        "examples",
        "The message has 257 examples; from 0 to 256 are accepted.",
    )


async def test_requests_are_cut_to_what_the_featurizer_takes(stub, fake: FakeFeaturizer) -> None:
    fake.max_images = 3
    request = Add(dataset="d", examples=examples("cat", 7), views=["VIEW_CROP"])
    [answer] = [answer async for answer in stub.AddExamples(iter([request]))]
    assert kinds(answer.outcomes) == ["added"] * 7
    assert [len(request.images) for _, request in fake.requests] == [3, 3, 1]


async def test_a_message_of_the_largest_size_is_sent_on_in_parts(stub, fake: FakeFeaturizer) -> None:
    size = (MAX_MESSAGE_BYTES - 1024) // 2
    big = [Example(label="x", content=bytes([65 + number]) * size) for number in range(2)]
    assert kinds(await add(stub, "d", big)) == ["added"] * 2
    assert [len(request.images) for _, request in fake.requests] == [1, 1]


async def test_an_image_that_leaves_no_room_for_the_rest_of_a_message_is_refused_alone(stub) -> None:
    size = MAX_MESSAGE_BYTES - 100
    [outcome] = await add(stub, "d", [Example(label="x", content=bytes(size))])
    details = read_status(outcome.error)
    assert details.code == grpc.StatusCode.INVALID_ARGUMENT
    assert details.message.startswith(f"The image's file has {size} bytes; at most ")


async def test_a_busy_featurizer_is_waited_for(stub, fake: FakeFeaturizer) -> None:
    fake.script = [OverloadedError("The queue is full.", retry_after_s=0.01)] * 2
    assert kinds(await add(stub, "d", examples("cat", 1))) == ["added"]
    assert len(fake.requests) == 3


async def test_waiting_ends_with_the_deadline(stub, fake: FakeFeaturizer) -> None:
    fake.script = [OverloadedError("The queue is full.", retry_after_s=100)]
    details = await failure(stub.AddExamples(iter([Add(dataset="d", examples=examples("cat", 1))]), timeout=20))
    assert (details.code, details.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert details.retry_after_s == 100


async def test_a_featurizer_that_is_away_is_said_and_what_needs_none_goes_on(
    stub, settings: ClassifierSettings, fake: FakeFeaturizer
) -> None:
    await add(stub, "d", examples("cat", 4) + examples("dog", 4))
    fake.script = [grpc.StatusCode.UNAVAILABLE] * 10
    details = await failure(stub.AddExamples(iter([Add(dataset="d", examples=examples("ape", 1))])))
    assert (details.code, details.reason) == (grpc.StatusCode.UNAVAILABLE, "FEATURIZER_UNAVAILABLE")
    assert details.message == f"The featurizer at {settings.featurizer} is not available."
    assert details.metadata == {"address": settings.featurizer}
    assert (await train(stub, "d")).version == 1


async def test_a_fault_of_the_featurizer_is_a_fault(stub, fake: FakeFeaturizer) -> None:
    fake.script = [InvalidFieldError("taps", "There is no tap.")]
    details = await failure(stub.AddExamples(iter([Add(dataset="d", examples=examples("cat", 1))])))
    assert (details.code, details.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "There is no tap" not in details.message


async def test_another_backbone_needs_the_images_again(stub, fake: FakeFeaturizer) -> None:
    everything = examples("cat", 3) + examples("dog", 3)
    await add(stub, "d", everything)
    fake.name, fake.digest = "newer", "b" * 64
    assert kinds(await add(stub, "d", [known(b"cat-0", "cat")])) == ["content_needed"]
    assert kinds(await add(stub, "d", everything[:2])) == ["present"] * 2
    details = await failure(stub.Train(classifier_pb2.TrainRequest(model="d")))
    assert (details.code, details.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKBONE_MISMATCH")
    assert details.metadata == {"expected": "b" * 64, "actual": "a" * 64}
    assert details.message.startswith("4 of the 6 examples of the dataset `d` have features of fake (aaaa")
    assert details.message.endswith("again: `cat-2.jpg`, `dog-0.jpg`, `dog-1.jpg`, `dog-2.jpg`.")
    assert kinds(await add(stub, "d", everything)) == ["present"] * 6
    assert (await train(stub, "d")).backbone == "newer"


async def test_a_featurizer_may_come_later_and_move(settings: ClassifierSettings, fake: FakeFeaturizer) -> None:
    async with connected(settings) as stub:
        await add(stub, "d", examples("cat", 1))
        async with serving(FakeFeaturizer()) as elsewhere:
            moved = settings.model_copy(update={"featurizer": elsewhere, "address": "127.0.0.1:0"})
            async with connected(moved) as second:  # two classifiers on one store
                assert kinds(await add(second, "d", examples("cat", 2))) == ["present", "added"]
        assert (await dataset_of(stub)).example_count == 2
