"""Images with several labels over the wire: added, trained on, predicted, evaluated, explained and put right."""

import hashlib
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from lastlayer.classifier.domain.head import sigmoid, unit_length
from lastlayer.rpc.vectors import unpack
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.classifier.calls import Add, Example, examples, failure, kinds, predict, train
from tests.integration.classifier.fake_featurizer import vector_of

LABELS = {"redround": ["red", "round"], "red": ["red"], "round": ["round"], "plain": []}
"""What the labels of each kind of image are."""

Selector = classifier_pb2.ExampleSelector


def labelled(kind: str, count: int, start: int = 0) -> list[Example]:
    return [
        Example(id=f"{kind}-{number}.jpg", labels=LABELS[kind], content=f"{kind}-{number}".encode())
        for number in range(start, start + count)
    ]


def everything(count: int = 12, start: int = 0) -> list[Example]:
    return [example for kind in LABELS for example in labelled(kind, count, start)]


async def add(stub: Any, new: Sequence[Example], dataset: str = "m", **fields: Any):
    request = Add(dataset=dataset, examples=new, **{"multi_label": True, **fields})
    [response] = [answer async for answer in stub.AddExamples(iter([request]))]
    return list(response.outcomes)


async def get(stub: Any, dataset: str = "m") -> classifier_pb2.Dataset:
    found: classifier_pb2.Dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name=dataset))
    return found


async def labels_of(stub: Any, dataset: str = "m", **fields: Any) -> dict[str, list[str]]:
    page = await stub.ListExamples(classifier_pb2.ListExamplesRequest(dataset=dataset, **fields))
    return {example.id: list(example.labels) for example in page.examples}


class TestAdding:
    async def test_several_labels_are_no_conflict_and_none_is_an_example(self, stub) -> None:
        outcomes = await add(stub, [example for kind in LABELS for example in labelled(kind, 1)])
        assert kinds(outcomes) == ["added"] * 4
        assert [list(outcome.labels) for outcome in outcomes] == list(LABELS.values())
        dataset = await get(stub)
        assert (dataset.multi_label, dataset.example_count, dataset.conflict_count) == (True, 4, 0)
        assert {entry.label: entry.example_count for entry in dataset.classes} == {"red": 2, "round": 2}
        assert dataset.without_label_count == 1
        assert await labels_of(stub) == {f"{kind}-0.jpg": labels for kind, labels in LABELS.items()}
        assert await labels_of(stub, conflicts_only=True) == {}
        assert [*await labels_of(stub, label="round")] == ["redround-0.jpg", "round-0.jpg"]

    async def test_an_image_has_what_all_examples_with_it_say(self, stub) -> None:
        image = b"redround-7"
        first, second, third, fourth = await add(
            stub,
            [
                Example(content=image),
                Example(label="red", content=image),
                Example(labels=[" round ", "red"], content=image),
                Example(content=image),
            ],
        )
        assert kinds([first, second, third, fourth]) == ["added", "added", "added", "present"]
        assert [list(outcome.labels) for outcome in (first, second, third)] == [[], ["red"], ["red", "round"]]
        assert third.label_trimmed
        # What is known already needs no image, and an old client has `label` alone.
        digest = hashlib.sha256(image).digest()
        [more] = await add(stub, [Example(label="big", content_sha256=digest)], multi_label=False)
        assert list(more.labels) == ["red", "round", "big"]
        assert (await get(stub)).without_label_count == 0

    async def test_a_dataset_stays_what_it_is(self, stub) -> None:
        await add(stub, examples("cat", 1), "single", multi_label=False)
        error = await failure(stub.AddExamples(iter([Add(dataset="single", examples=[], multi_label=True)])))
        assert (error.code, error.field) == (grpc.StatusCode.INVALID_ARGUMENT, "multi_label")
        assert "one label for each image" in error.message
        [outcome] = await add(stub, [Example(labels=["a", "b"], content=b"cat-9")], "single", multi_label=False)
        assert "multi-label" in outcome.error.message
        assert not (await get(stub, "single")).multi_label

    @pytest.mark.parametrize(
        ("example", "said"),
        [
            (Example(label="a", labels=["b"], content=b"x-1"), "Both `label` and `labels`"),
            (Example(labels=["a", " "], content=b"x-1"), "0 characters"),
            (Example(labels=["a\nb"], content=b"x-1"), "control characters"),
            (Example(labels=[str(number) for number in range(101)], content=b"x-1"), "101 labels; up to 100"),
            (Example(labels=["a"]), "no `content`"),
        ],
    )
    async def test_what_cannot_be_is_refused_in_a_sentence(self, stub, example: Example, said: str) -> None:
        [refused, fine] = await add(stub, [example, *labelled("red", 1)])
        assert said in refused.error.message
        assert kinds([fine]) == ["added"]

    async def test_relabelled_to_any_number_which_holds(self, stub) -> None:
        await add(stub, everything(1))
        for labels in (["round", "big"], [], ["red"]):
            request = classifier_pb2.RelabelExamplesRequest(
                dataset="m", examples=[Selector(id="red-0.jpg")], labels=labels
            )
            answer = await stub.RelabelExamples(request)
            assert answer.changed_count == 1
            assert (await labels_of(stub))["red-0.jpg"] == labels
            assert (await stub.RelabelExamples(request)).changed_count == 0
        [kept] = await add(stub, [Example(labels=["round"], content=b"red-0")])
        assert kept.present.relabelled
        assert list(kept.labels) == ["red"]
        assert [*await labels_of(stub)][1] == "red-0.jpg"  # where it was

    async def test_one_label_an_image_is_not_relabelled_to_several(self, stub) -> None:
        await add(stub, examples("cat", 1), multi_label=False)
        for labels, field in ((["a", "b"], "labels"), ([], "label")):
            request = classifier_pb2.RelabelExamplesRequest(
                dataset="m", examples=[Selector(id="cat-0.jpg")], labels=labels
            )
            assert (await failure(stub.RelabelExamples(request))).field == field


async def test_a_pool_of_images_that_may_have_several_labels(stub) -> None:
    """Typical ones are suggested, without guesses; a label takes an image out, as does that it has none."""
    await add(stub, [*labelled("red", 1), *labelled("round", 1), Example(id="none-0.jpg", content=b"none-0")])
    new = [Example(id=f"{kind}.jpg", content=f"{kind}-9".encode()) for kind in ("big", "small", "far", "red", "none")]
    request = Add(dataset="m", examples=new, pool=True)
    [response] = [answer async for answer in stub.AddExamples(iter([request]))]
    assert kinds(response.outcomes) == ["added"] * 5
    asked = classifier_pb2.NextExamplesRequest(dataset="m")
    answer = await stub.NextExamples(asked)
    assert answer.strategy == classifier_pb2.NEXT_STRATEGY_TYPICAL
    # Those of one kind are near duplicates of each other.
    assert {entry.example.id for entry in answer.examples} == {"big.jpg", "small.jpg", "far.jpg"}
    assert not any(entry.scores for entry in answer.examples)
    assert list(answer.classes) == ["red", "round"]
    for name, labels in (("big.jpg", ["big", "round"]), ("small.jpg", [])):
        selected = [Selector(id=name)]
        await stub.RelabelExamples(classifier_pb2.RelabelExamplesRequest(dataset="m", examples=selected, labels=labels))
        assert (await labels_of(stub))[name] == labels
    assert (await get(stub)).pool_count == 3
    back = classifier_pb2.RelabelExamplesRequest(dataset="m", examples=[Selector(id="small.jpg")], to_pool=True)
    assert (await stub.RelabelExamples(back)).dataset.pool_count == 4


class TestTrained:
    @pytest.fixture
    async def version(self, stub) -> classifier_pb2.ModelVersion:
        await add(stub, everything())
        return await train(stub)

    async def test_each_label_has_its_probability_and_threshold(self, stub, version) -> None:
        assert version.multi_label
        assert list(version.classes) == ["red", "round"]
        assert not version.HasField("cross_validation")
        assert len(version.label_thresholds) == len(version.label_temperatures) == 2
        metrics = version.multi_label_cross_validation
        assert metrics.example_count == version.example_count == 48
        assert [entry.example_count for entry in metrics.labels] == [24, 24]
        assert metrics.macro_average_precision > 0.95
        assert metrics.macro_f1 > 0.9
        assert not metrics.HasField("exact_match_interval")
        contents = [f"{kind}-90".encode() for kind in LABELS]
        results = (await predict(stub, contents)).results
        assert [sorted(result.prediction.labels) for result in results] == [
            sorted(labels) for labels in LABELS.values()
        ]
        assert all(result.prediction.multi_label and not result.prediction.rejected for result in results)
        scores = {score.label: score.score for score in results[0].prediction.scores}
        assert min(scores.values()) > 0.5  # they are independent, and do not sum to 1
        low, high = [await predict(stub, contents[:1], threshold=threshold, top_k=1) for threshold in (0.01, 1)]
        assert len(low.results[0].prediction.labels) == 2
        assert len(low.results[0].prediction.scores) == 2  # those that are predicted, whatever `top_k` is
        assert not low.results[0].prediction.rejected
        assert not high.results[0].prediction.labels

    async def test_maps_sum_to_the_logit_of_each_label(self, stub, version) -> None:
        head = await stub.GetHead(classifier_pb2.GetHeadRequest(model="m"))
        assert head.multi_label
        assert list(head.label_thresholds) == list(version.label_thresholds)
        weights = unpack(head.weights).reshape(-1, 2).astype(np.float64)
        assert not head.square_root  # the features of these images may be negative
        vectors = [vector_of(b"redround-90", tap.name, tap.dimension)[None] for tap in head.taps]
        logits = np.hstack([unit_length(vector) for vector in vectors])[0] @ weights + unpack(head.biases)
        for place, label in enumerate(head.classes):
            request = classifier_pb2.ExplainRequest(
                model="m", image=types_pb2.Image(content=b"redround-90"), label=label
            )
            explained = await stub.Explain(request)
            assert sum(explained.contributions) + explained.bias == pytest.approx(explained.logit, abs=1e-4)
            assert explained.logit == pytest.approx(logits[place], abs=1e-4)
            assert explained.probability == pytest.approx(float(sigmoid(np.array(explained.logit))), abs=1e-6)
            assert explained.prediction.multi_label

    async def test_evaluated_by_label(self, stub, version) -> None:
        held_out = [*everything(2, start=50), Example(id="odd", labels=["red", "striped"], content=b"red-70")]
        requests = [classifier_pb2.EvaluateRequest(model="m", examples=held_out)]
        progress, last = [answer async for answer in stub.Evaluate(iter(requests))]
        first, *_, odd = progress.progress.results
        assert (list(first.labels), sorted(first.predicted_labels)) == (["red", "round"], ["red", "round"])
        assert (first.label_known, odd.label_known) == (True, False)
        evaluation = last.evaluation
        metrics = evaluation.multi_label_metrics
        assert metrics.example_count == 9
        assert {entry.label: entry.example_count for entry in evaluation.unknown_labels} == {"striped": 1}
        assert metrics.exact_match_interval.lower < metrics.exact_match <= metrics.exact_match_interval.upper
        assert [entry.example_count for entry in metrics.labels] == [5, 4]
        assert metrics.macro_average_precision > 0.9
        assert not evaluation.metrics.classes

    async def test_labels_in_doubt_are_listed_until_they_are_put_right(self, stub) -> None:
        wrong = [
            Example(id="has-too-much.jpg", labels=["red", "round"], content=b"red-60"),
            Example(id="lacks-one.jpg", labels=["red"], content=b"redround-60"),
        ]
        await add(stub, [*everything(), *wrong])
        await train(stub)
        review = await stub.ReviewExamples(classifier_pb2.ReviewExamplesRequest(model="m"))
        found = {entry.example.id: (entry.label, entry.suggested_label) for entry in review.examples}
        assert found["has-too-much.jpg"] == ("round", "")
        assert found["lacks-one.jpg"] == ("", "round")
        assert all(entry.suggested_probability > 0.5 for entry in review.examples)
        put_right = classifier_pb2.RelabelExamplesRequest(
            dataset="m", examples=[Selector(id="lacks-one.jpg")], labels=["red", "round"]
        )
        await stub.RelabelExamples(put_right)
        review = await stub.ReviewExamples(classifier_pb2.ReviewExamplesRequest(model="m"))
        assert "lacks-one.jpg" not in {entry.example.id for entry in review.examples}

    async def test_what_there_is_not_of_several_labels_is_refused_in_a_sentence(self, stub) -> None:
        await add(stub, everything(1))
        for fields in (
            {"recipe": classifier_pb2.RECIPE_TUTORIAL},
            {"compare": True},
            {"class_weight": classifier_pb2.CLASS_WEIGHT_BALANCED},
            {"preference": classifier_pb2.PREFERENCE_SPEED},
        ):
            error = await failure(stub.Train(classifier_pb2.TrainRequest(model="m", **fields)))
            assert (error.reason, error.code) == ("RECIPE_NOT_SUPPORTED", grpc.StatusCode.FAILED_PRECONDITION)
            assert "may have several labels" in error.message

    async def test_the_same_labels_everywhere_cannot_be_trained_on(self, stub) -> None:
        await add(stub, labelled("redround", 3))
        error = await failure(stub.Train(classifier_pb2.TrainRequest(model="m")))
        assert (error.reason, "the same 2 labels" in error.message) == ("DATASET_NOT_TRAINABLE", True)
        await add(stub, labelled("plain", 3), "none")
        error = await failure(stub.Train(classifier_pb2.TrainRequest(model="none")))
        assert "without any label" in error.message

    async def test_unfamiliar_images_are_rejected(self, stub) -> None:
        await add(stub, everything(20))
        await train(stub, unfamiliar_share=0.05, min_precision=0.7)
        strange, own = (await predict(stub, [b"strange-1", b"red-90"])).results
        assert strange.prediction.unfamiliar
        assert strange.prediction.rejected
        assert list(own.prediction.labels) == ["red"]
