"""What `benchmarks.services.featurize` measures: our service and its ceilings in each configuration, and the rivals."""

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import numpy.typing as npt

from benchmarks.load.processes import Usage, usage
from benchmarks.load.workers import Worker, worker
from benchmarks.measured.ceiling import Ceiling, Measured, ceiling
from benchmarks.rivals.servers import Running
from lastlayer.featurizer.network.variants import reduced_precision
from lastlayer.local.services import Service, free_port
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc

START_TIMEOUT_S = 600.0

ALONE, DECODING = "(a) graph alone", "(b) decoding and graph"
CALLER, CALLERS, STREAM, STREAMS = "served: 1 caller", "served: 16 callers", "served: 1 stream", "served: 4 streams"

_LOADS = {CALLER: (1, False), CALLERS: (16, False), STREAM: (1, True), STREAMS: (4, True)}
"""How many callers each has, and whether they send over streams."""


@dataclass(frozen=True)
class Configuration:
    """What runs the network, in which numbers."""

    engine: str
    precision: str

    @property
    def name(self) -> str:
        """How it is chosen on the command line."""
        return "auto" if self.engine == "auto" else f"{self.engine}-{self.precision}"

    def lacking(self) -> str | None:
        """Return why this machine cannot run it, if it cannot."""
        if self.engine == "openvino" and importlib.util.find_spec("openvino") is None:
            return "OpenVINO is not installed"
        if self.precision == "bfloat16" and reduced_precision(gpu=False) is None:
            return "the processor has neither AVX512-BF16 nor AMX"
        if self.precision == "int8" and importlib.util.find_spec("nncf") is None:
            return "NNCF is not installed, which makes the network in int8"
        return None


CONFIGURATIONS = [
    Configuration("auto", "auto"),  # before int8, which `auto` would take where it has been made
    *(Configuration(engine, number) for engine in ("tensorflow", "openvino") for number in ("float32", "bfloat16")),
    Configuration("openvino", "int8"),
]


@dataclass
class Row:
    """A thing that is measured, and its rounds."""

    measure: Callable[[float], Measured]
    usage: Callable[[], Usage]
    rounds: list[Measured] = field(default_factory=list)

    @property
    def rates(self) -> npt.NDArray[np.float64]:
        """Images per second of each round."""
        return np.array([measured.images / measured.seconds for measured in self.rounds])

    @property
    def medians_s(self) -> npt.NDArray[np.float64]:
        """The median latency of each round."""
        return np.array([np.median(measured.latencies_s) for measured in self.rounds])


Section = dict[str, Row]
"""The rows of one contender by their names."""


@contextmanager
def ours(
    configuration: Configuration, photos: Path, scratch: Path, say: Callable[[str], None]
) -> Iterator[tuple[Section, Worker]]:
    """Run the ceilings' process, a featurizer and its callers while the block lasts; yields rows and callers."""
    chosen = {"FEATURIZER_ENGINE": configuration.engine, "FEATURIZER_PRECISION": configuration.precision}
    address = f"127.0.0.1:{free_port()}"
    log = scratch / f"{configuration.name}.log"
    service = Service("featurizer", address, log, {**chosen, "FEATURIZER_ADDRESS": address})
    with ceiling(photos, chosen) as alone:
        service.start()
        try:
            service.wait_until_serving(START_TIMEOUT_S)
            with grpc.insecure_channel(address) as channel:
                backbone = featurizer_pb2_grpc.FeaturizerStub(channel).GetBackbone(featurizer_pb2.GetBackboneRequest())
            batches = ", ".join(f"{rate:.0f} at {batch}" for batch, rate in alone.rates.items())
            say(
                f"{configuration.name}: {backbone.name} on {backbone.device} in {backbone.precision}, "
                f"{_used(service).resident_mb:.0f} MB when idle; the graph alone, images per second by batch: "
                f"{batches}; (a) and (b) run {alone.best_batch}"
            )
            with worker([sys.executable, "-m", "benchmarks.load.calls", address, photos]) as callers:
                callers.answer()
                yield {**_alone(alone), **_served(lambda: _used(service), callers, _LOADS)}, callers
        finally:
            service.stop()


def theirs(rival: Running) -> Section:
    """Return the rows of a rival."""
    names = [name for name, (count, stream) in _LOADS.items() if count in rival.loads and not stream]
    return _served(rival.usage, rival.callers, names)


def _used(service: Service) -> Usage:
    assert service.process is not None
    return usage(service.process.pid)


def _alone(alone: Ceiling) -> Section:
    return {
        ALONE: Row(lambda seconds: alone.measure(seconds, decoding=False), alone.usage),
        DECODING: Row(lambda seconds: alone.measure(seconds, decoding=True), alone.usage),
    }


def _served(used: Callable[[], Usage], callers: Worker, names: Iterable[str]) -> Section:
    def row(name: str) -> Row:
        count, stream = _LOADS[name]

        def measure(seconds: float) -> Measured:
            before = used().cpu_s
            called = callers.ask(callers=count, stream=stream, seconds=seconds)
            return Measured(**called, cpu_s=used().cpu_s - before)

        return Row(measure, used)

    return {name: row(name) for name in names}
