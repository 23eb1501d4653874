"""What somebody with a token of the scope `predict` can find out about what was trained on."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from lastlayer.classifier.server import running
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.settings import load_settings
from lastlayer.rpc.status import read_error
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from tests.integration.classifier.calls import Add, channel, examples
from tests.integration.classifier.fake_featurizer import FakeFeaturizer, serving


@dataclass(frozen=True)
class Guarded:
    """A classifier that asks for tokens, with a model."""

    stub: Any

    async def call(self, token: str, method: str, request: Any) -> list[Any]:
        answering = getattr(self.stub, method)(request, metadata=[("authorization", f"Bearer {token}")], timeout=20)
        return [answer async for answer in answering]

    async def evaluate(self, token: str) -> classifier_pb2.Evaluation:
        """Guess what was trained on, under labels of one's own."""
        guesses = examples("cat", 6)
        for number, guess in enumerate(guesses):
            guess.id, guess.label = f"guess {number}", "dog"
        request = classifier_pb2.EvaluateRequest(model="m", examples=guesses)
        evaluation: classifier_pb2.Evaluation = (await self.call(token, "Evaluate", iter([request])))[-1].evaluation
        return evaluation


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        "".join(
            f'[[tokens]]\nname = "{token}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n'
            f'scopes = ["{scope}"]\n'
            for token, scope in (("reader", "predict"), ("boss", "admin"))
        )
    )
    async with serving(FakeFeaturizer()) as featurizer:
        settings = load_settings(
            ClassifierSettings,
            address="127.0.0.1:0",
            featurizer=featurizer,
            store_url=f"sqlite:///{tmp_path}/store.db",
            tokens_file=str(tokens),
        )
        async with running(settings) as address, channel(address) as connection:
            guarded = Guarded(classifier_pb2_grpc.ClassifierStub(connection))
            new = examples("cat", 6) + examples("dog", 6)
            await guarded.call("boss", "AddExamples", iter([Add(dataset="m", examples=new)]))
            await guarded.call("boss", "Train", classifier_pb2.TrainRequest(model="m"))
            yield guarded


async def test_near_duplicates_name_no_training_image_and_no_label_to_a_token_for_predictions(guarded: Guarded) -> None:
    evaluation = await guarded.evaluate("reader")
    assert evaluation.near_duplicate_count >= 6  # that an evaluation is flattered is still said
    assert {near.id for near in evaluation.near_duplicates} >= {"guess 0", "guess 5"}
    assert {(near.training_id, near.training_label) for near in evaluation.near_duplicates} == {("", "")}
    assert all(near.similarity > 0.9 for near in evaluation.near_duplicates)


async def test_who_may_see_examples_is_told_which_ones_they_are(guarded: Guarded) -> None:
    evaluation = await guarded.evaluate("boss")
    named = {near.id: (near.training_id, near.training_label) for near in evaluation.near_duplicates}
    assert named["guess 3"] == ("cat-3.jpg", "cat")


async def test_a_token_for_predictions_shows_no_examples_by_what_is_like_them(guarded: Guarded) -> None:
    like = classifier_pb2.SimilarRequest(dataset="m", image=types_pb2.Image(content=b"cat-3"), thumbnails=True)
    reader, boss = ([("authorization", f"Bearer {token}")] for token in ("reader", "boss"))
    assert (await guarded.stub.Similar(like, metadata=boss, timeout=20)).examples
    for answering in (
        guarded.stub.Similar(like, metadata=reader, timeout=20),
        guarded.stub.MapExamples(classifier_pb2.MapExamplesRequest(dataset="m"), metadata=reader, timeout=20).read(),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answering
        assert read_error(caught.value).code == grpc.StatusCode.PERMISSION_DENIED


async def test_a_wrong_token_on_a_stream_that_sends_nothing_is_refused_at_once(guarded: Guarded) -> None:
    for method in ("AddExamples", "PredictStream", "Evaluate"):
        silent = getattr(guarded.stub, method)(metadata=[("authorization", "Bearer guess")], timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await silent.read()
        assert read_error(caught.value).code == grpc.StatusCode.UNAUTHENTICATED, method
