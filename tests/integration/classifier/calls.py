"""What the tests send to the classifier, and how they read what it says."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import grpc

from lastlayer.classifier.server import running
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.status import ErrorDetails, read_error
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2

Example = classifier_pb2.Example
Add = classifier_pb2.AddExamplesRequest


@contextlib.asynccontextmanager
async def connected(settings: ClassifierSettings) -> AsyncIterator[Any]:
    """Run a classifier while the block lasts; yields its stub."""
    async with running(settings) as address, channel(address) as connection:
        yield classifier_pb2_grpc.ClassifierStub(connection)


def channel(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address, options=[*channel_options(), ("grpc.enable_http_proxy", 0)])


def images(kind: str, count: int, start: int = 0) -> list[bytes]:
    """Return images that the fake featurizer takes to be of one kind."""
    return [f"{kind}-{number}".encode() for number in range(start, start + count)]


def examples(kind: str, count: int, start: int = 0) -> list[Example]:
    return [
        Example(id=f"{content.decode()}.jpg", label=kind, content=content) for content in images(kind, count, start)
    ]


def known(content: bytes, label: str) -> Example:
    return Example(label=label, content_sha256=hashlib.sha256(content).digest())


async def add(stub: Any, dataset: str, new: Sequence[Example]) -> list[classifier_pb2.ExampleOutcome]:
    """Add examples in one message."""
    [response] = [answer async for answer in stub.AddExamples(iter([Add(dataset=dataset, examples=new)]))]
    return list(response.outcomes)


def kinds(outcomes: Iterable[classifier_pb2.ExampleOutcome]) -> list[str | None]:
    return [outcome.WhichOneof("outcome") for outcome in outcomes]


async def train(stub: Any, model: str = "m", **fields: Any) -> classifier_pb2.ModelVersion:
    """Train and return the version."""
    events = [event async for event in stub.Train(classifier_pb2.TrainRequest(model=model, **fields))]
    version: classifier_pb2.ModelVersion = events[-1].version
    return version


async def train_anew(stub: Any, model: str = "m") -> classifier_pb2.ModelVersion:
    """Train a model to tell cats from dogs."""
    await add(stub, model, examples("cat", 6) + examples("dog", 6))
    return await train(stub, model)


async def predict(stub: Any, contents: Sequence[bytes], **fields: Any) -> classifier_pb2.PredictResponse:
    pictures = [types_pb2.Image(id=str(index), content=content) for index, content in enumerate(contents)]
    request = classifier_pb2.PredictRequest(**{"model": "m", "images": pictures, **fields})
    response: classifier_pb2.PredictResponse = await stub.Predict(request)
    return response


async def failure(call: Any) -> ErrorDetails:
    """Return how a call fails."""
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return read_error(error)
    raise AssertionError("the call did not fail")
