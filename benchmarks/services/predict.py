"""Prints what a prediction costs from end to end, and what becomes of more calls than the machine can serve:
`python -m benchmarks.services.predict`.

First one image at a time, through client, classifier and featurizer, in turn with decoding and running it in a process
that does nothing else. Then, in each round, calls that arrive at random at 0.5, 1 and 2 times the rate that 16 callers
have just reached, whether or not the ones before are answered; the featurizer has room for 32 images. The settings of
the featurizer hold.
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
from typing import Any, NamedTuple

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.photos import chosen_photos, read_photos
from benchmarks.load.processes import machine
from benchmarks.measured.ceiling import Ceiling, ceiling
from lastlayer.client import Client, read_data
from lastlayer.local.services import running_services
from lastlayer.rpc.channel import channel_options
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2

_ROUNDS = 5
_CALLERS = 16
_FULL = f"{_CALLERS} callers"
_LOADS = (0.5, 1, 2, 0.5)
"""Shares of capacity, in turn; the last shows that what was too much has left nothing behind."""

_MODEL = "benchmark"
_QUEUED_IMAGES = 32
_QUEUE = {
    "FEATURIZER_MAX_QUEUED_IMAGES": str(_QUEUED_IMAGES),
    "FEATURIZER_MAX_IMAGES_PER_REQUEST": str(_QUEUED_IMAGES),
}


class _Outcome(NamedTuple):
    """What became of the calls of a while."""

    seconds: float
    """Until the last of them was over."""
    answered: Sequence[float]
    """The seconds that each took."""
    refused: Sequence[float]
    """The same of those that were told to come again."""
    failed: int
    """How many came to anything else."""
    late: Sequence[float] = ()
    """By how many seconds each was sent later than it was due, as this process had to wait for a processor."""

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.answered) / self.seconds


class _Calls:
    """Sends photos to be predicted, each by a call of its own."""

    def __init__(self, stub: Any, photos: Sequence[bytes]) -> None:
        """`stub` is the classifier's; its generated type is of a synchronous one."""
        self._stub = stub
        self._images = itertools.cycle([types_pb2.Image(content=content) for content in photos])
        self._arrivals = random.Random(0)
        self._taken: dict[str, list[float]] = defaultdict(list)

    async def one_by_one(self, callers: int, seconds: float) -> _Outcome:
        """Have callers send a photo each, wait for its answer, and so on for a while."""
        self._taken.clear()
        started = time.perf_counter()

        async def caller() -> None:
            while time.perf_counter() < started + seconds:
                await self._call()

        await asyncio.gather(*(caller() for _ in range(callers)))
        return self._outcome(started)

    async def at_random(self, rate: float, seconds: float) -> _Outcome:
        """Send photos at random, so many a second on average, for a while, and wait for the answers."""
        self._taken.clear()
        calls, late = [], []
        started = due = time.perf_counter()
        while due < started + seconds:
            await asyncio.sleep(due - time.perf_counter())
            late.append(time.perf_counter() - due)
            calls.append(asyncio.create_task(self._call()))
            due += self._arrivals.expovariate(rate)
        await asyncio.gather(*calls)
        return self._outcome(started, late)

    async def _call(self) -> None:
        request = classifier_pb2.PredictRequest(model=_MODEL, images=[next(self._images)])
        started = time.perf_counter()
        outcome = "answered"
        try:
            await self._stub.Predict(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            outcome = "refused" if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED else "failed"
        self._taken[outcome].append(time.perf_counter() - started)

    def _outcome(self, started: float, late: Sequence[float] = ()) -> _Outcome:
        answered, refused, failed = (tuple(self._taken[name]) for name in ("answered", "refused", "failed"))
        return _Outcome(time.perf_counter() - started, answered, refused, len(failed), late)


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
        with running_services(Path(scratch), environment=_QUEUE) as (_, classifier), ceiling(photos, {}) as alone:
            with Client(classifier.address, timeout_s=600) as client:
                client.add_examples(read_data(photos).examples, dataset=_MODEL)
                taps = client.train(_MODEL).taps
                out.print(f"taps {', '.join(taps)}")
                out.print(_one_at_a_time(client, alone, taps, read_photos(photos), options.seconds))
            out.print(asyncio.run(_loads(classifier.address, read_photos(photos), options.seconds)))


def _one_at_a_time(
    client: Client, alone: Ceiling, taps: Sequence[str], photos: Sequence[bytes], seconds: float
) -> Table:
    through: list[list[float]] = []
    inside: list[Sequence[float]] = []
    images = itertools.cycle(photos)
    client.predict([next(images)], model=_MODEL)  # what is made at first use is made
    alone.measure_one_by_one(seconds / 2, taps)
    for _ in range(_ROUNDS):
        inside.append(alone.measure_one_by_one(seconds, taps).latencies_s)
        end = time.perf_counter() + seconds
        through.append([])
        while (now := time.perf_counter()) < end:
            client.predict([next(images)], model=_MODEL)
            through[-1].append(time.perf_counter() - now)
    table = Table("one image at a time", "p50 ms", "p99 ms", "p50 to decoding + graph", "more ms", "more allowed ms")
    table.title = "Latency"
    for column in table.columns[1:]:
        column.justify = "right"
    medians = np.array([[np.median(base), np.median(own)] for base, own in zip(inside, through, strict=True)]) * 1e3
    base, own = np.median(medians, axis=0)
    more = np.median(medians[:, 1] - medians[:, 0])
    ratio = np.median(medians[:, 1] / medians[:, 0])
    table.add_row("decoding + graph", f"{base:.1f}", _ms(np.concatenate(inside), 99))
    table.add_row(
        "client to featurizer",
        f"{own:.1f}",
        _ms(np.concatenate(through), 99),
        f"{ratio:.2f}",
        f"{more:.1f}",
        f"{max(0.2 * base, 5):.1f}",
    )
    return table


async def _loads(address: str, photos: Sequence[bytes], seconds: float) -> Table:
    async with grpc.aio.insecure_channel(address, options=channel_options()) as channel:
        calls = _Calls(classifier_pb2_grpc.ClassifierStub(channel), photos)
        await calls.one_by_one(_CALLERS, seconds)  # what is made at first use is made
        return _table([await _round(calls, seconds) for _ in range(_ROUNDS)])


async def _round(calls: _Calls, seconds: float) -> dict[str, _Outcome]:
    done = {"1 caller": await calls.one_by_one(1, seconds), _FULL: await calls.one_by_one(_CALLERS, seconds)}
    for share in _LOADS:
        again = ", again" if f"{share:g} x" in done else ""
        done[f"{share:g} x{again}"] = await calls.at_random(share * done[_FULL].rate, seconds)
    done["1 caller, again"] = await calls.one_by_one(1, seconds)
    return done


def _table(rounds: Sequence[dict[str, _Outcome]]) -> Table:
    table = Table("offered", "calls/s", "answered/s", "of capacity", "refused", "failed", "p50 ms", "p99 ms")
    table.add_column("refused: p50")
    table.add_column("p99 ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in rounds[0]:
        outcomes = [done[name] for done in rounds]
        answered = [taken for outcome in outcomes for taken in outcome.answered]
        refused = [taken for outcome in outcomes for taken in outcome.refused]
        failed = sum(outcome.failed for outcome in outcomes)
        count = len(answered) + len(refused) + failed
        table.add_row(
            name,
            f"{count / sum(outcome.seconds for outcome in outcomes):.1f}",
            f"{np.median([outcome.rate for outcome in outcomes]):.1f}",
            f"{np.median([done[name].rate / done[_FULL].rate for done in rounds]):.2f}",
            str(len(refused)),
            str(failed),
            *(_ms(part, percent) for part in (answered, refused) for percent in (50, 99)),
        )
    capacity = np.median([done[_FULL].rate for done in rounds])
    late = np.concatenate([outcome.late for done in rounds for outcome in done.values()])
    table.title = f"Load: medians of {_ROUNDS} rounds, latencies of all; what {_CALLERS} callers reach is the capacity"
    table.caption = (
        f"{_QUEUED_IMAGES} images that are inside take {_QUEUED_IMAGES / capacity * 1e3:.0f} ms; "
        f"calls were sent {_ms(late, 50)} ms late at p50 and {_ms(late, 99)} at p99"
    )
    return table


def _ms(seconds: Sequence[float] | np.ndarray, percent: int) -> str:
    return f"{np.percentile(seconds, percent) * 1e3:.1f}" if len(seconds) else ""


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
