"""How soon services serve and the client answers, and what memory they hold: `python -m benchmarks.services.start`.

Each service is started five times, in turn with the others, with its weights on disk: how long until its health says
SERVING, what it holds when it has nothing to do, and what its first answers take beside those afterwards. Then the
client's commands, each a process of its own, against running services. The settings of the featurizer hold, but for
its engine and its precision.
"""

import argparse
import functools
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.photos import chosen_photos, read_photos
from benchmarks.load.processes import machine, usage
from benchmarks.measured.contenders import CONFIGURATIONS
from lastlayer.client import Client, read_data
from lastlayer.local.services import SCRIPTS, Service, free_port, running_services
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.probe import is_serving
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, featurizer_pb2, featurizer_pb2_grpc, types_pb2

_ROUNDS = 5
_CALLS = 20
_START_TIMEOUT_S = 600.0
_POLL_S = 0.01
_SETTLING_S = 1.0

_Call = Callable[[], object]


class _Start(NamedTuple):
    """What a start came to."""

    seconds: float
    """Until SERVING."""
    cpu_s: float
    """Of the service, until it was idle."""
    resident_mb: float
    """When idle, before the first call."""
    first_s: float
    """The first call."""
    later_s: float
    """The median of those afterwards."""
    first_shallow_s: float
    """The first call that needs less of the network; NaN where there is no such call."""


class _Contender(NamedTuple):
    name: str
    script: str
    environment: Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="JPEGs, one folder a class; made up, of 500 x 375, where not given")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory() as scratch:
        photos = chosen_photos(options.photos, Path(scratch))
        client_table = _client_table(photos, Path(scratch))  # the weights are fetched here, if need be
        out.print(_service_table(read_photos(photos), Path(scratch)))
        out.print(client_table)


def _contenders() -> list[_Contender]:
    featurizers = [
        _Contender(
            f"featurizer: {configuration.name}",
            "featurizer",
            {"FEATURIZER_ENGINE": configuration.engine, "FEATURIZER_PRECISION": configuration.precision},
        )
        for configuration in CONFIGURATIONS
        if configuration.lacking() is None
    ]
    return [_Contender("classifier", "classifier-svc", {}), *featurizers]


def _service_table(photos: Sequence[bytes], scratch: Path) -> Table:
    contenders = _contenders()
    rounds: dict[str, list[_Start]] = defaultdict(list)
    for _ in range(_ROUNDS):
        for contender in contenders:
            rounds[contender.name].append(_start(contender, photos, scratch))
    table = Table("", "SERVING s", "CPU s", "idle MB", "first call ms", "p50 after ms", title="Services")
    table.add_column("first, one tap ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, starts in rounds.items():
        median = _Start(*np.median(np.array(starts), axis=0))
        shallow = "" if np.isnan(median.first_shallow_s) else f"{median.first_shallow_s * 1e3:.0f}"
        table.add_row(
            name,
            f"{median.seconds:.2f}",
            f"{median.cpu_s:.2f}",
            f"{median.resident_mb:.0f}",
            f"{median.first_s * 1e3:.1f}",
            f"{median.later_s * 1e3:.1f}",
            shallow,
        )
    table.caption = "medians of 5 starts; calls: one photo at all taps, then at one; of the classifier, its models"
    return table


def _start(contender: _Contender, photos: Sequence[bytes], scratch: Path) -> _Start:
    address = f"127.0.0.1:{free_port()}"
    addresses = {"FEATURIZER_ADDRESS": address, "CLASSIFIER_ADDRESS": address}
    store = {"CLASSIFIER_STORE_URL": f"sqlite:///{scratch / 'start.db'}"}
    service = Service(contender.script, address, scratch / "start.log", {**contender.environment, **addresses, **store})
    started = time.perf_counter()
    service.start()
    assert service.process is not None
    try:
        while not is_serving(address, timeout_s=1):
            if service.process.poll() is not None or time.perf_counter() > started + _START_TIMEOUT_S:
                raise RuntimeError(
                    f"{contender.name} does not serve: {service.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(_POLL_S)
        seconds = time.perf_counter() - started
        time.sleep(_SETTLING_S)
        used = usage(service.process.pid)
        with grpc.insecure_channel(address, options=channel_options()) as channel:
            grpc.channel_ready_future(channel).result()
            full, shallow = _calls(contender, channel, photos)
            first, *later = [_seconds(full) for _ in range(1 + _CALLS)]
            first_shallow = _seconds(shallow) if shallow is not None else float("nan")
    finally:
        service.stop()
    return _Start(seconds, used.cpu_s, used.resident_mb, first, float(np.median(later)), first_shallow)


def _calls(contender: _Contender, channel: grpc.Channel, photos: Sequence[bytes]) -> tuple[_Call, _Call | None]:
    """Return the call that is measured, and the one that needs less of the network."""
    if contender.script == "classifier-svc":
        classifier = classifier_pb2_grpc.ClassifierStub(channel)
        return (lambda: classifier.ListModels(classifier_pb2.ListModelsRequest())), None
    featurizer = featurizer_pb2_grpc.FeaturizerStub(channel)
    images = itertools.cycle([types_pb2.Image(content=content) for content in photos])
    taps = [tap.name for tap in featurizer.GetBackbone(featurizer_pb2.GetBackboneRequest()).taps]

    def featurize(*asked: str) -> object:
        return featurizer.Featurize(featurizer_pb2.FeaturizeRequest(images=[next(images)], taps=asked))

    return featurize, (lambda: featurize(taps[0])) if len(taps) > 1 else None


def _client_table(photos: Path, scratch: Path) -> Table:
    with running_services(scratch, timeout_s=_START_TIMEOUT_S) as (_, service):
        image = next(iter(sorted(photos.rglob("*.jpg"))))
        with Client(service.address, timeout_s=_START_TIMEOUT_S) as client:
            client.add_examples(read_data(photos).examples)
            client.train()
            # What the server takes of the time, once it has done it before.
            status_s = float(np.median([_seconds(client.status) for _ in range(1 + _CALLS)]))
            predict_s = float(np.median([_seconds(lambda: client.predict([image])) for _ in range(1 + _CALLS)]))
        program, server = str(SCRIPTS / "client"), ("--server", service.address)
        commands = {
            "python -c pass": ([sys.executable, "-c", "pass"], 0.0),
            "client --help": ([program, "--help"], 0.0),
            "client status": ([program, "status", *server], status_s),
            "client predict": ([program, "predict", *server, str(image)], predict_s),
        }
        # As where it is installed: what is imported is compiled once, whatever the environment of the benchmark says.
        kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
        run = functools.partial(subprocess.run, check=True, capture_output=True, env={**os.environ, **kept})
        for command, _ in commands.values():
            run(command)
        taken: dict[str, list[float]] = defaultdict(list)
        spent: dict[str, list[float]] = defaultdict(list)
        for _ in range(_ROUNDS):
            for name, (command, _) in commands.items():
                before = _children_cpu_s()
                taken[name].append(_seconds(functools.partial(run, command)))
                spent[name].append(_children_cpu_s() - before)
    table = Table("", "ms", "server ms", "the client's own ms", "CPU ms", title="Client")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, (_, server_s) in commands.items():
        whole_s = float(np.median(taken[name]))
        shown = f"{server_s * 1e3:.0f}" if server_s else ""
        own = f"{(whole_s - server_s) * 1e3:.0f}"
        table.add_row(name, f"{whole_s * 1e3:.0f}", shown, own, f"{min(spent[name]) * 1e3:.0f}")
    table.caption = (
        "medians of 5, in turn; the server's: the same call from a client that is connected; CPU: of the client, the "
        "least of 5"
    )
    return table


def _children_cpu_s() -> float:
    """Return what processes have used of processors that this one has started, and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _seconds(call: _Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
