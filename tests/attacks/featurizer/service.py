"""A featurizer of the test's own, with what it and its processes have in memory."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from lastlayer.local.services import Service, free_port
from lastlayer.rpc.status import read_status
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

MIB = 2**20
LONG_S = 300


@contextlib.contextmanager
def running_featurizer(folder: Path, backbone: Path, **settings: str) -> Iterator[Service]:
    """Run a featurizer with the network that is declared in a file; `settings` go into its environment."""
    address = f"127.0.0.1:{free_port()}"
    environment = {
        "FEATURIZER_ADDRESS": address,
        "LASTLAYER_BACKBONE": str(backbone),
        "LASTLAYER_HOME": str(folder / "home"),
        **settings,
    }
    service = Service("featurizer", address, folder / "featurizer.log", environment)
    service.start()
    try:
        service.wait_until_serving(120)
        yield service
    finally:
        service.stop()


def processes_of(service: Service) -> list[int]:
    """Return the ids of a service's process and of those that it has started."""
    parent = service.started.pid
    children = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        with contextlib.suppress(OSError):
            children += [int(child) for child in (task / "children").read_text().split()]
    return [parent, *children]


def memory_bytes(service: Service) -> int:
    """Return what a service has in memory now, with the processes that it has started."""
    total = 0
    for process in processes_of(service):
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * 4096
    return total


class Peak:
    """The most that a service had in memory while it was watched."""

    def __init__(self) -> None:
        self.bytes = 0

    @property
    def mib(self) -> int:
        return self.bytes // MIB


@contextlib.contextmanager
def watched(service: Service) -> Iterator[Peak]:
    """Look at a service's memory forty times a second while the block lasts."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(0.025):
            with contextlib.suppress(OSError):
                peak.bytes = max(peak.bytes, memory_bytes(service))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def request_of(*contents: bytes, thumbnails: bool = False) -> featurizer_pb2.FeaturizeRequest:
    images = [types_pb2.Image(content=content) for content in contents]
    return featurizer_pb2.FeaturizeRequest(images=images, thumbnails=thumbnails)


def reasons(stub: featurizer_pb2_grpc.FeaturizerStub, *contents: bytes, thumbnails: bool = False) -> list[str]:
    """Return why each image was refused; empty where it was not."""
    answer = stub.Featurize(request_of(*contents, thumbnails=thumbnails), timeout=LONG_S)
    return [read_status(result.error).reason if result.HasField("error") else "" for result in answer.results]
