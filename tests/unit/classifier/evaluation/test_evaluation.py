"""An evaluation: the numbers of all images at once, from a few at a time, in bounded memory."""

import tracemalloc
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import Predicted, ServedVersion, TapExamples, Version
from lastlayer.classifier.evaluation.evaluation import MOST_NAMED, Evaluation, EvaluationReport, LabelledImage
from lastlayer.classifier.evaluation.likeness.near_duplicates import EvaluatedBlock, find_near_duplicates
from lastlayer.classifier.evaluation.metrics import evaluate
from lastlayer.rpc.errors import ImageEmptyError, InvalidFieldError, LastlayerError
from lastlayer.rpc.system.workers import Workers
from lastlayer.rpc.vectors import View
from tests.unit.classifier.evaluation.likeness.test_near_duplicates import random, stored

VERSION = ServedVersion(1, "m", 1, "tiny", "a" * 64)


class FakePredictor:
    """Predicts images whose content is a number: always the same for the same one; `bad` is none."""

    def __init__(self, classes: int, dimension: int, known: Sequence[npt.NDArray[np.float32]] = ()) -> None:
        labels = tuple(f"c{number}" for number in range(classes))
        weights = np.zeros((dimension, classes), np.float32)
        self.head = Head(("conv",), True, labels, weights, np.zeros(classes, np.float32), 0, 1)
        self._known = known

    async def find(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        return VERSION, self.head

    async def predict(self, version: Any, head: Head, images: Sequence[bytes], **_: Any) -> list[Any]:
        return [self.outcome(image) for image in images]

    def outcome(self, image: bytes) -> Predicted | LastlayerError:
        if image == b"bad":
            return ImageEmptyError("The image has no bytes.")
        number = int(image)
        own = np.random.default_rng(number)
        probabilities = own.dirichlet(np.ones(len(self.head.classes)))
        dimension = len(self.head.weights)
        vector = self._known[number] if number < len(self._known) else own.normal(size=dimension).astype(np.float32)
        return Predicted(probabilities, vector)


class FakeStore:
    """Has some examples, and no out-of-fold results."""

    def __init__(self, training: TapExamples) -> None:
        self._training = training

    def tap_blocks(
        self, name: str, digest: str, tap: str, size: int, views: Sequence[View]
    ) -> Generator[TapExamples, None, None]:
        for start in range(0, len(self._training.names), size):
            yield self._training.only(range(start, min(start + size, len(self._training.names))))

    def get_version(self, model: str, number: int) -> Version:
        return Version(1, "m", 1, "d", "tiny", "a" * 64, (), b"", {}, None)  # type: ignore[arg-type]

    def held_out(self, key: int) -> bytes | None:
        return None


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    opened = Workers("evaluations", 1)
    yield opened
    await opened.close()


async def run(
    predictor: FakePredictor, training: TapExamples, workers: Workers, images: Sequence[LabelledImage]
) -> EvaluationReport:
    store = FakeStore(training)
    evaluation = Evaluation(predictor, predictor, store, store, workers, deadline=None)
    for start in range(0, len(images), 250):
        await evaluation.count(await evaluation.predict("m", 0, images[start : start + 250]))
    return await evaluation.finish()


async def test_the_numbers_are_those_of_all_images_at_once(workers: Workers) -> None:
    training = stored(random(5000, 0))
    predictor = FakePredictor(7, 16, known=list(training.vectors[3000:3150]))
    images = [LabelledImage(f"image {number}", f"c{number % 7}", str(number).encode()) for number in range(5000)]
    report = await run(predictor, training, workers, images)
    predicted = [predictor.outcome(image.content) for image in images]
    assert all(isinstance(outcome, Predicted) for outcome in predicted)
    probabilities = np.stack([outcome.probabilities for outcome in predicted if isinstance(outcome, Predicted)])
    assert report.metrics == evaluate(probabilities, np.arange(5000) % 7, predictor.head.classes)
    vectors = np.stack([outcome.vector for outcome in predicted if isinstance(outcome, Predicted)])
    near = find_near_duplicates(EvaluatedBlock([image.name for image in images], vectors), [training])
    assert report.near_duplicate_count == len(near) >= 150
    assert {entry.name: entry.training_name for entry in report.near_duplicates}.items() <= {
        entry.name: entry.training_name for entry in near
    }.items()
    assert len(report.near_duplicates) == MOST_NAMED
    similarities = [entry.similarity for entry in report.near_duplicates]
    assert similarities == pytest.approx([entry.similarity for entry in near[:MOST_NAMED]], abs=1e-6)
    assert similarities == sorted(similarities, reverse=True)


async def test_what_is_in_no_metric_is_counted(workers: Workers) -> None:
    images = [
        LabelledImage("failed", "c0", b"bad"),
        LabelledImage("refused", "c0", b"", ImageEmptyError("no")),
        LabelledImage("unknown", "other", b"1"),
        LabelledImage("known", "c1", b"2"),
    ]
    report = await run(FakePredictor(2, 4), stored(random(0, 0, 4)), workers, images)
    assert (report.failed, dict(report.unknown_labels), report.metrics.example_count) == (2, {"other": 1}, 1)


async def test_nothing_to_evaluate_on(workers: Workers) -> None:
    predictor, store = FakePredictor(2, 4), FakeStore(stored(random(0, 0, 4)))
    with pytest.raises(InvalidFieldError, match="at least one is needed"):
        await Evaluation(predictor, predictor, store, store, workers, deadline=None).finish()
    with pytest.raises(InvalidFieldError, match="at least one is needed"):
        await run(predictor, stored(random(0, 0, 4)), workers, [])


class UnsurePredictor(FakePredictor):
    """Finds every class equally probable, which takes less time to say."""

    def outcome(self, image: bytes) -> Predicted:
        classes, dimension = len(self.head.classes), len(self.head.weights)
        return Predicted(np.full(classes, 1 / classes), np.full(dimension, int(image), np.float32))


async def test_ten_thousand_images_take_less_than_100_mb_more(workers: Workers) -> None:
    """With a thousand classes and vectors of 1,024 elements their predictions alone have 120 MB."""
    predictor, training = UnsurePredictor(1000, 1024), stored(random(1000, 0, 1024))
    images = [LabelledImage(f"image {number}", f"c{number % 1000}", str(number).encode()) for number in range(10_000)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        report = await run(predictor, training, workers, images)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.metrics.example_count == 10_000
    assert most - before < 100_000_000
