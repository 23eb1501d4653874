"""What the machine can do without a service: the network in a process of its own, on ready tensors or with decoding.

`python -m benchmarks.measured.ceiling PHOTOS` is that process. It reads what to measure from standard input, and waits
in between: it is measured in turn with the service.
"""

import functools
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.load.photos import read_photos
from benchmarks.load.processes import Usage, usage
from benchmarks.load.workers import Worker, commands, tell, worker
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import load
from lastlayer.featurizer.pipeline.decoding import decode
from lastlayer.rpc.settings import load_settings
from lastlayer.rpc.system.cpu_quota import available_processors
from lastlayer.rpc.system.malloc import keep_batches_on_heap

_BATCHES = (1, 2, 4, 8, 16, 32)
_ROUNDS = 3
_MAX_PIXELS = 64_000_000


class Measured(NamedTuple):
    """What was done in a while."""

    images: int
    seconds: float
    cpu_s: float
    """Of the process that runs the network."""
    latencies_s: Sequence[float]
    """Of each call; where there is no service, of each batch."""
    callers_cpu_s: float = 0.0
    """Of the process that calls the service, where there is one."""


class Ceiling:
    """A process that runs the network and nothing else."""

    def __init__(self, process: Worker) -> None:
        self._process = process
        rates = process.answer()["rates"]
        self.rates = dict(zip(_BATCHES, rates, strict=True))
        """Images per second of each size of batch, on ready tensors."""

    @property
    def best_batch(self) -> int:
        """The size of batch that is the fastest."""
        return max(self.rates, key=lambda size: self.rates[size])

    def measure_one_by_one(self, seconds: float, taps: Sequence[str]) -> Measured:
        """Decode a photo and run it up to some taps, and then the next, for a while."""
        return self._measure(seconds=seconds, batch=1, decoding=True, ahead=False, taps=taps)

    def measure(self, seconds: float, *, decoding: bool) -> Measured:
        """Run batches of the best size: of ready tensors, or of photos that are decoded beside the graph."""
        return self._measure(seconds=seconds, batch=self.best_batch, decoding=decoding, ahead=True)

    def _measure(self, **command: object) -> Measured:
        return Measured(**self._process.ask(**command))

    def usage(self) -> Usage:
        """Return what the process has used so far."""
        return usage(self._process.pid)


@contextmanager
def ceiling(photos: Path, environment: Mapping[str, str]) -> Iterator[Ceiling]:
    """Run such a process, with the featurizer's settings of an environment, while the block lasts."""
    with worker([sys.executable, "-m", "benchmarks.measured.ceiling", photos], environment) as process:
        yield Ceiling(process)


def main() -> None:
    """Load the network, tell how fast it is, and measure what is asked for until standard input ends."""
    keep_batches_on_heap()  # as `featurizer serve` does
    loaded = load(load_settings(FeaturizerSettings), lambda *_: None)
    graph, size = loaded.graph, loaded.spec.preprocessing
    taps = [tap.name for tap in graph.taps]
    files = itertools.cycle(read_photos(Path(sys.argv[1])))
    decoders = ThreadPoolExecutor(available_processors())

    def pixels(content: bytes) -> npt.NDArray[np.uint8]:
        return decode(content, width=size.width, height=size.height, max_pixels=_MAX_PIXELS)

    ready = np.stack(list(decoders.map(pixels, itertools.islice(files, max(_BATCHES)))))
    # In turn, so that a busy moment of the machine does not make another size the best.
    done = [
        [_run(lambda n=n: ready[:n], lambda x: graph.run(x, taps), 0.5) for n in _BATCHES]  # type: ignore[misc]
        for _ in range(_ROUNDS)
    ]
    tell(
        rates=[float(rate) for rate in np.median([[one.images / one.seconds for one in part] for part in done], axis=0)]
    )
    for asked in commands():
        batch = asked["batch"]
        coming: list[Future[npt.NDArray[np.uint8]]] = []

        def decoded(batch: int = batch, ahead: int = batch if asked["ahead"] else 0) -> npt.NDArray[np.uint8]:
            nonlocal coming
            done = coming or [decoders.submit(pixels, next(files)) for _ in range(batch)]
            coming = [decoders.submit(pixels, next(files)) for _ in range(ahead)]
            return np.stack([future.result() for future in done])

        source = decoded if asked["decoding"] else lambda batch=batch: ready[:batch]
        run = functools.partial(graph.run, taps=asked.get("taps", taps))
        tell(**_run(source, run, asked["seconds"])._asdict())
        wait(coming)  # what is measured next has the machine for itself


def _run(
    source: Callable[[], npt.NDArray[np.uint8]], run: Callable[[npt.NDArray[np.uint8]], object], seconds: float
) -> Measured:
    """Run batches for a while."""
    images, latencies, cpu_s = 0, [], time.process_time()
    started = now = time.perf_counter()
    while now < started + seconds:
        before = now
        batch = source()
        run(batch)
        images += len(batch)
        now = time.perf_counter()
        latencies.append(now - before)
    return Measured(images, now - started, time.process_time() - cpu_s, latencies)


if __name__ == "__main__":
    main()
