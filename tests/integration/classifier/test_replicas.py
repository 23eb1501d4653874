"""Featurizers of different engines and precisions behind one classifier, which uses them in turn."""

import contextlib
import importlib.util
import io
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.service import server
from lastlayer.featurizer.service.servicer import FeaturizerServicer
from lastlayer.rpc.settings import load_settings
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from lastlayer.v1 import classifier_pb2
from tests.integration.classifier.calls import Add, Example, connected, kinds, predict, train

_OTHER = "int8" if importlib.util.find_spec("nncf") else "float32"
"""The second featurizer's, by OpenVINO."""


def photo(label: str, number: int) -> bytes:
    """Return a picture that is mostly red or mostly blue."""
    random = np.random.default_rng([number, label == "red"])
    pixels = random.integers(0, 120, (40, 50, 3))
    pixels[:, :, 0 if label == "red" else 2] += 100
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def examples(count: int, start: int = 0) -> list[Example]:
    return [
        Example(id=f"{label}-{number}", label=label, content=photo(label, number))
        for number in range(start, start + count)
        for label in ("red", "blue")
    ]


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many requests were answered in each way."""
    counts: Counter[str] = Counter()
    featurize = FeaturizerServicer._featurize

    async def counting(self: Any, *arguments: Any, **fields: Any) -> Any:
        counts[f"{self._backbone.precision} by {self._backbone.engine}"] += 1
        return await featurize(self, *arguments, **fields)

    monkeypatch.setattr(FeaturizerServicer, "_featurize", counting)
    return counts


@pytest.fixture
async def stub(tmp_path: Path, answered: Counter[str]) -> AsyncIterator[Any]:
    declaration = write_tiny_backbone(tmp_path / "tiny")
    async with contextlib.AsyncExitStack() as stack:
        addresses = []
        for engine, precision in (("tensorflow", "float32"), ("openvino", _OTHER)):
            settings = FeaturizerSettings.model_validate(
                {
                    "home": tmp_path / "home",
                    "backbone": str(declaration),
                    "address": "127.0.0.1:0",
                    "engine": engine,
                    "precision": precision,
                    "grace_seconds": 5,
                }
            )
            addresses.append(await stack.enter_async_context(server.running(settings)))
        classifier = load_settings(
            ClassifierSettings,
            address="127.0.0.1:0",
            featurizer=",".join(addresses),
            store_url=f"sqlite:///{tmp_path}/store/x.db",
            grace_seconds=5,
        )
        yield await stack.enter_async_context(connected(classifier))


@pytest.mark.long
async def test_replicas_of_different_kinds_answer_alike(stub: Any, answered: Counter[str]) -> None:
    # In one stream, as each begins with a question: of single messages the same replica would get all images.
    sent = [Add(dataset="m", examples=examples(2, start)) for start in range(0, 16, 2)]
    async for answer in stub.AddExamples(iter(sent)):
        assert set(kinds(answer.outcomes)) == {"added"}
    dataset = await stub.GetDataset(classifier_pb2.GetDatasetRequest(name="m"))
    found = {entry.precision: entry.example_count for entry in dataset.precisions}
    assert sum(found.values()) == 32
    assert set(found) == {"float32", _OTHER}
    await train(stub)

    answered.clear()
    scores: dict[str, list[float]] = {}
    for _ in range(8):
        response = await predict(stub, [photo("red", 50), photo("blue", 51)])
        for result, label in zip(response.results, ("red", "blue"), strict=True):
            assert result.prediction.scores[0].label == label
            scores.setdefault(label, []).append(result.prediction.scores[0].score)
    # They take turns, but other questions of the classifier come in between: on a busy machine not exactly half each.
    assert len(answered) == 2
    assert sum(answered.values()) == 8
    for values in scores.values():
        assert max(values) - min(values) < 0.02
