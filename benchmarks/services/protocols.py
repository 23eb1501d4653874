"""Prints what ModelInfer of the Open Inference Protocol is to the services' own methods:
`python -m benchmarks.services.protocols`.

Callers that send a photo each as fast as they are answered, by Predict and ModelInfer of the classifier and by
Featurize and ModelInfer of the featurizer: the two of a service in turn, in changing order. The settings of the
services hold.
"""

import argparse
import asyncio
import itertools
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.closed_loop import one_by_one
from benchmarks.load.photos import chosen_photos, read_photos
from benchmarks.load.processes import machine, usage_of_family
from lastlayer.client import Client, read_data
from lastlayer.local.services import running_services
from lastlayer.open_inference import service_pb2, service_pb2_grpc
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.server.open_inference.elements import join_elements
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, featurizer_pb2, featurizer_pb2_grpc, types_pb2

_ROUNDS = 10
_CALLERS = (1, 16)
_MODEL = "benchmark"
_TIMEOUT_S = 60.0


class _Measured(NamedTuple):
    """What callers came to in a round."""

    rate: float
    """Images per second."""
    cpu_ms: float
    """Processor time of both services, in milliseconds an image."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="JPEGs, one folder a class; made up, of 500 x 375, where not given")
    parser.add_argument("--seconds", type=float, default=3, help="for how long each is measured in each round")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as scratch:
        photos = chosen_photos(options.photos, Path(scratch))
        with running_services(Path(scratch)) as (featurizer, classifier):
            with Client(classifier.address, timeout_s=600) as client:
                client.add_examples(read_data(photos).examples, dataset=_MODEL)
                client.train(_MODEL)
                backbone = client.get_served_backbone().name
            pids = [service.process.pid for service in (featurizer, classifier) if service.process is not None]
            measuring = _measure(
                featurizer.address, classifier.address, backbone, read_photos(photos), pids, options.seconds
            )
            out.print(asyncio.run(measuring))


async def _measure(
    featurizer: str, classifier: str, backbone: str, photos: Sequence[bytes], pids: Sequence[int], seconds: float
) -> Table:
    table = Table("", "callers", "method", "images/s", "CPU ms/image", "to the own method: images/s", "CPU")
    for column in table.columns[3:]:
        column.justify = "right"
    options = channel_options()
    async with (
        grpc.aio.insecure_channel(featurizer, options=options) as to_featurizer,
        grpc.aio.insecure_channel(classifier, options=options) as to_classifier,
    ):
        # The generated types are of synchronous stubs.
        predicting: Any = classifier_pb2_grpc.ClassifierStub(to_classifier)
        featurizing: Any = featurizer_pb2_grpc.FeaturizerStub(to_featurizer)
        opened: Sequence[Any] = [
            service_pb2_grpc.GRPCInferenceServiceStub(channel) for channel in (to_classifier, to_featurizer)
        ]
        services: Mapping[str, Mapping[str, Callable[[bytes], Awaitable[Any]]]] = {
            "classifier": {
                "Predict": lambda photo: predicting.Predict(_predict_request(photo), timeout=_TIMEOUT_S),
                "ModelInfer": lambda photo: opened[0].ModelInfer(_infer_request(_MODEL, photo), timeout=_TIMEOUT_S),
            },
            "featurizer": {
                "Featurize": lambda photo: featurizing.Featurize(_featurize_request(photo), timeout=_TIMEOUT_S),
                "ModelInfer": lambda photo: opened[1].ModelInfer(_infer_request(backbone, photo), timeout=_TIMEOUT_S),
            },
        }
        for (service, methods), callers in itertools.product(services.items(), _CALLERS):
            rounds = await _rounds(methods, callers, photos, pids, seconds)
            own = rounds[next(iter(methods))]
            for method, measured in rounds.items():
                table.add_row(
                    service,
                    str(callers),
                    method,
                    f"{np.median([one.rate for one in measured]):.1f}",
                    f"{np.median([one.cpu_ms for one in measured]):.1f}",
                    _ratio([one.rate / base.rate for one, base in zip(measured, own, strict=True)]),
                    _ratio([one.cpu_ms / base.cpu_ms for one, base in zip(measured, own, strict=True)]),
                )
    table.title = f"The Open Inference Protocol beside the services' own methods: medians of {_ROUNDS} rounds"
    table.caption = "ratios are of the same round: the median, and the least and the most"
    return table


async def _rounds(
    methods: Mapping[str, Callable[[bytes], Awaitable[Any]]],
    callers: int,
    photos: Sequence[bytes],
    pids: Sequence[int],
    seconds: float,
) -> dict[str, list[_Measured]]:
    found: dict[str, list[_Measured]] = {name: [] for name in methods}
    images = itertools.cycle(photos)
    for call in methods.values():
        await one_by_one(call, images, callers, seconds / 2)  # what is made at first use is made
    for number in range(_ROUNDS):
        for name in list(methods)[:: 1 if number % 2 else -1]:
            before = _cpu_s(pids)
            count, elapsed, _ = await one_by_one(methods[name], images, callers, seconds)
            found[name].append(_Measured(count / elapsed, (_cpu_s(pids) - before) / count * 1e3))
    return found


def _cpu_s(pids: Sequence[int]) -> float:
    return sum(usage_of_family(pid).cpu_s for pid in pids)


def _predict_request(photo: bytes) -> classifier_pb2.PredictRequest:
    return classifier_pb2.PredictRequest(model=_MODEL, images=[types_pb2.Image(content=photo)])


def _featurize_request(photo: bytes) -> featurizer_pb2.FeaturizeRequest:
    return featurizer_pb2.FeaturizeRequest(images=[types_pb2.Image(content=photo)])


def _infer_request(model: str, photo: bytes) -> service_pb2.ModelInferRequest:
    """Return a request as tritonclient makes it."""
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[1])
    return service_pb2.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[join_elements([photo])])


def _ratio(ratios: Sequence[float]) -> str:
    return f"{np.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
