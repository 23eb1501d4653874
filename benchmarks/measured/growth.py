"""One classifier process with a store of its own, filled, trained and predicted with; see `benchmarks.train`."""

import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load.asking import asking
from benchmarks.load.processes import Usage, usage
from lastlayer.client import Client
from lastlayer.client.data.images import LabelledImage
from lastlayer.client.results.examples import ExampleOutcome
from lastlayer.client.results.models import TrainProgress
from lastlayer.client.results.versions import ModelVersion
from lastlayer.local.services import Service, free_port, home

FEW: Final = 200
"""How many examples the model has that is the same in every store."""

_ALL = "all"
_FEW = "few"
_SETTLE_S = 2.0
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Filled:
    """What it took to take examples in."""

    seconds: float
    first_tenth_s: float
    last_tenth_s: float
    store_mb: float
    """The files of the store, in units of 1e6 bytes."""
    idle: Usage
    """Of the classifier before it."""
    after: Usage
    """And behind it."""


@dataclass(frozen=True)
class Trained:
    """What it took to train on them."""

    version: ModelVersion
    stages_s: dict[str, float]
    """How long each stage took, by the message that it is told with."""
    slowest_answer_s: float
    """The longest that a call took which was made meanwhile."""
    after: Usage
    """Of the classifier, once it is idle again."""

    @property
    def seconds(self) -> float:
        """How long all took."""
        return sum(self.stages_s.values())


class Classifier:
    """A classifier process and its store."""

    def __init__(self, service: Service, client: Client, store: Path, examples: Sequence[LabelledImage]) -> None:
        self._service = service
        self._client = client
        self._store = store
        self._images = itertools.cycle([example.image for example in examples[:FEW]])
        self.examples = examples

    def fill(self) -> Filled:
        """Add the examples, and the first of them to a small dataset too."""
        idle = self._usage()
        times: list[float] = []

        def seen(_: ExampleOutcome) -> None:
            times.append(time.perf_counter())

        started = time.perf_counter()
        added = self._client.add_examples(self.examples, dataset=_ALL, on_outcome=seen)
        seconds = time.perf_counter() - started
        if added.failed:
            raise RuntimeError(f"{len(added.failed)} examples failed, such as {added.failed[0]}")
        after, tenth = self._usage(), len(times) // 10
        store_mb = sum(file.stat().st_size for file in self._store.iterdir()) / 1e6
        self._client.add_examples(self.examples[:FEW], dataset=_FEW)
        return Filled(seconds, times[tenth] - times[0], times[-1] - times[-1 - tenth], store_mb, idle, after)

    def train(self) -> Trained:
        """Train on all examples while other calls are made; and then on the small dataset."""
        began: list[tuple[str, float]] = []

        def tell(progress: TrainProgress) -> None:
            if not began or began[-1][0] != progress.message:
                began.append((progress.message, time.perf_counter()))

        with asking(self._client.server) as taken:
            version = self._client.train(_ALL, on_progress=tell)
        ends = [*(moment for _, moment in began[1:]), time.perf_counter()]
        stages = {message: end - begin for (message, begin), end in zip(began, ends, strict=True)}
        after = self._usage()
        self._client.train(_FEW)
        return Trained(version, stages, max(taken), after)

    def predict(self, seconds: float, *, few: bool) -> list[float]:
        """Predict an image, and then the next, for a while, with the model of the small dataset or that of all; returns
        how long each took, in seconds.
        """
        taken = []
        now = time.perf_counter()
        end = now + seconds
        while now < end:
            before = now
            self._client.predict([next(self._images)], model=_FEW if few else _ALL)
            now = time.perf_counter()
            taken.append(now - before)
        return taken

    def _usage(self) -> Usage:
        """Return what the process has used so far; its memory is that of when it is idle."""
        time.sleep(_SETTLE_S)
        assert self._service.process is not None
        return usage(self._service.process.pid)


def made_up(count: int, classes: int = 5) -> list[LabelledImage]:
    """Return examples for the stand-in of the featurizer, the classes by turns."""
    return [
        LabelledImage(f"class{number % classes} {number}".encode(), f"class{number % classes}", f"{number}.jpg")
        for number in range(count)
    ]


@contextmanager
def classifier(featurizer: str, examples: Sequence[LabelledImage]) -> Iterator[Classifier]:
    """Run a new classifier process with an empty store, which calls that featurizer, while the block lasts."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "store"
        store.mkdir()
        environment = {
            "LASTLAYER_HOME": str(home()),
            "CLASSIFIER_ADDRESS": address,
            "CLASSIFIER_FEATURIZER": featurizer,
            "CLASSIFIER_STORE_URL": f"sqlite:///{store / 'lastlayer.db'}",
        }
        service = Service("classifier-svc", address, Path(scratch) / "classifier.log", environment)
        service.start()
        try:
            service.wait_until_serving(_TIMEOUT_S)
            with Client(address, timeout_s=_TIMEOUT_S) as client:
                yield Classifier(service, client, store, examples)
        finally:
            service.stop()
