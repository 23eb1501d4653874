"""Evaluate: numbers, and what cannot be evaluated."""

import grpc

from lastlayer.rpc.status import read_status
from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import Example, examples, failure, known, train_anew


def evaluated(stub, *messages: list[Example], **fields):
    first = classifier_pb2.EvaluateRequest(**{"model": "m", "examples": messages[0], **fields})
    rest = [classifier_pb2.EvaluateRequest(examples=message) for message in messages[1:]]
    return stub.Evaluate(iter([first, *rest]))


async def test_an_evaluation(stub) -> None:
    await train_anew(stub)
    messages = (
        [*examples("cat", 2, 50), Example(id="wrong", label="cat", content=b"dog-60")],
        [Example(id="broken", label="dog", content=b"bad"), Example(id="new", label="ape ", content=b"ape-1")],
        [Example(id="blank", label=" ", content=b"cat-1"), *examples("dog", 1, 50)],
    )
    *answers, last = [answer async for answer in evaluated(stub, *messages)]
    results = [result for answer in answers for result in answer.progress.results]
    assert [len(answer.progress.results) for answer in answers] == [3, 2, 2]
    assert [result.id for result in results] == [
        "cat-50.jpg",
        "cat-51.jpg",
        "wrong",
        "broken",
        "new",
        "blank",
        "dog-50.jpg",
    ]
    assert [result.WhichOneof("outcome") for result in results] == [
        "predicted",
        "predicted",
        "predicted",
        "error",
        "predicted",
        "error",
        "predicted",
    ]
    assert (results[2].predicted.label, results[2].label_known) == ("dog", True)
    assert (results[4].label, results[4].label_trimmed, results[4].label_known) == ("ape", True, False)
    assert read_status(results[5].error).field == "examples[0].label"
    evaluation = last.evaluation
    assert (evaluation.model, evaluation.version, evaluation.failed_count) == ("m", 1, 2)
    assert [(entry.label, entry.example_count) for entry in evaluation.unknown_labels] == [("ape", 1)]
    assert evaluation.metrics.example_count == 4
    assert evaluation.metrics.micro_accuracy == 0.75
    assert list(evaluation.metrics.confusion_matrix) == [2, 1, 0, 1]
    assert evaluation.metrics.HasField("log_loss_reduction")


async def test_an_evaluation_of_one_class_has_no_reduction(stub) -> None:
    await train_anew(stub)
    *_, last = [answer async for answer in evaluated(stub, examples("cat", 2, 50))]
    assert not last.evaluation.metrics.HasField("log_loss_reduction")


async def test_an_evaluation_of_unknown_labels_alone_has_no_nan(stub) -> None:
    await train_anew(stub)
    *_, last = [answer async for answer in evaluated(stub, examples("ape", 2))]
    metrics = last.evaluation.metrics
    assert (metrics.example_count, metrics.log_loss, metrics.micro_accuracy, metrics.macro_accuracy) == (0, 0, 0, 0)
    assert [(entry.label, entry.example_count) for entry in last.evaluation.unknown_labels] == [("ape", 2)]


async def test_an_evaluation_needs_examples_with_content(stub) -> None:
    await train_anew(stub)
    for call in (stub.Evaluate(iter([])), evaluated(stub, [])):
        details = await failure(call)
        assert (details.code, details.field) == (grpc.StatusCode.INVALID_ARGUMENT, "examples")
    answer, _ = [answer async for answer in evaluated(stub, [known(b"cat-1", "cat")])]
    assert read_status(answer.progress.results[0].error).message == "The example has no `content`."
    assert (await failure(evaluated(stub, examples("cat", 1), model=""))).field == "model"
    assert (await failure(evaluated(stub, examples("cat", 1), model="no"))).code == grpc.StatusCode.NOT_FOUND


async def test_nothing_of_an_evaluation_is_stored(stub) -> None:
    await train_anew(stub)
    [_ async for _ in evaluated(stub, examples("cat", 3, 50))]
    dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="m"))
    assert dataset.example_count == 12
