"""Prints what a prediction costs from end to end, and what becomes of more calls than the machine can serve:
`python -m benchmarks.predict`.

First one image at a time, through client, classifier and featurizer, in turn with decoding and running it in a process
that does nothing else. Then calls that arrive at random at 0.5, 1 and 2 times the rate that 16 callers reach, whether
or not the ones before are answered; the featurizer has room for 32 images. The settings of the featurizer hold.
"""

import argparse
import asyncio
import itertools
import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.ceiling import Ceiling, ceiling
from benchmarks.photos import chosen_photos, read_photos
from benchmarks.processes import machine
from client import Client, read_data
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from rpc.channel import channel_options
from tools.local import running_services

_ROUNDS = 5
_LOADS = (0.5, 1, 2, 0.5)
"""Shares of capacity, in turn; the last shows that what was too much has left nothing behind."""

_MODEL = "benchmark"
_QUEUE = {"FEATURIZER_MAX_QUEUED_IMAGES": "32", "FEATURIZER_MAX_IMAGES_PER_REQUEST": "32"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="JPEGs, one folder a class; made up, of 500 x 375, where not given")
    parser.add_argument("--seconds", type=float, default=10, help="for how long each load is offered")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as scratch:
        photos = chosen_photos(options.photos, Path(scratch))
        with running_services(Path(scratch), environment=_QUEUE) as (_, classifier), ceiling(photos, {}) as alone:
            with Client(classifier.address, timeout_s=600) as client:
                client.add_examples(read_data(photos).examples, dataset=_MODEL)
                taps = client.train(_MODEL).taps
                out.print(f"taps {', '.join(taps)}")
                out.print(_one_at_a_time(client, alone, taps, read_photos(photos), options.seconds / _ROUNDS))
            out.print(asyncio.run(_loads(classifier.address, read_photos(photos), options.seconds)))


def _one_at_a_time(
    client: Client, alone: Ceiling, taps: Sequence[str], photos: Sequence[bytes], seconds: float
) -> Table:
    through: list[list[float]] = []
    inside: list[Sequence[float]] = []
    images = itertools.cycle(photos)
    for _ in range(_ROUNDS):
        inside.append(alone.measure_one_by_one(seconds, taps).latencies_s[1:])  # the first may still load what it needs
        end = time.perf_counter() + seconds
        through.append([])
        while (now := time.perf_counter()) < end:
            client.predict([next(images)], model=_MODEL)
            through[-1].append(time.perf_counter() - now)
    table = Table("one image at a time", "p50 ms", "p99 ms", "p50 to decoding + graph", title="Latency")
    ratio = np.median([np.median(own) / np.median(base) for own, base in zip(through, inside, strict=True)])
    for name, rounds, shown in (("decoding + graph", inside, ""), ("client to featurizer", through, f"{ratio:.2f}")):
        p50 = np.median([np.median(part) for part in rounds]) * 1e3
        table.add_row(name, f"{p50:.1f}", f"{np.percentile(np.concatenate(rounds), 99) * 1e3:.1f}", shown)
    return table


async def _loads(address: str, photos: Sequence[bytes], seconds: float) -> Table:
    table = Table("offered", "calls/s", "answered/s", "of capacity", "refused", "failed", "p50 ms", "p99 ms")
    table.add_column("refused p99 ms")
    images = itertools.cycle([types_pb2.Image(content=content) for content in photos])
    async with grpc.aio.insecure_channel(address, options=channel_options()) as channel:
        stub = classifier_pb2_grpc.ClassifierStub(channel)
        taken: dict[str, list[float]] = defaultdict(list)

        async def call() -> None:
            request = classifier_pb2.PredictRequest(model=_MODEL, images=[next(images)])
            started = time.perf_counter()
            outcome = "answered"
            try:
                await stub.Predict(request, timeout=60)
            except grpc.aio.AioRpcError as error:
                overloaded = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                outcome = "refused" if overloaded else error.code().name
            taken[outcome].append(time.perf_counter() - started)

        async def caller(end: float) -> None:
            while time.perf_counter() < end:
                await call()

        started = time.perf_counter()
        await asyncio.gather(*(caller(started + seconds) for _ in range(16)))
        capacity = len(taken["answered"]) / (time.perf_counter() - started)
        table.title = (
            f"Load: 16 callers reach {capacity:.1f} images a second, with {_ms(taken['answered'], 99)} ms at p99"
        )
        arrivals = random.Random(0)
        for share in _LOADS:
            taken.clear()
            calls = []
            started = due = time.perf_counter()
            while due < started + seconds:
                await asyncio.sleep(due - time.perf_counter())
                calls.append(asyncio.create_task(call()))
                due += arrivals.expovariate(share * capacity)
            await asyncio.gather(*calls)
            elapsed = time.perf_counter() - started
            answered, refused = taken["answered"], taken["refused"]
            rate = len(answered) / elapsed
            table.add_row(
                f"{share:g} x capacity",
                f"{len(calls) / seconds:.1f}",
                f"{rate:.1f}",
                f"{rate / capacity:.2f}",
                str(len(refused)),
                str(len(calls) - len(answered) - len(refused)),
                *(_ms(answered, percent) for percent in (50, 99)),
                _ms(refused, 99),
            )
    return table


def _ms(seconds: Sequence[float], percent: int) -> str:
    return f"{np.percentile(seconds, percent) * 1e3:.0f}" if seconds else ""


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
