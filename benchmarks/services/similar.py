"""Prints how fast similar images are found and maps are made: `python -m benchmarks.services.similar`.

A store is filled with made-up features of GoogLeNet's deepest tap, of images of ten classes. The same searches are made
in this process, where they are compared with those that multiply all vectors, and over gRPC by a classifier process:
by stored examples, and by images, whose features a stand-in for the featurizer makes up at once. Then a dataset is
mapped while other calls are made. With `--taps DATA...` it is told instead which tap finds most images of the same
class.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.heads.taps import featurize
from benchmarks.load.asking import asking
from benchmarks.load.processes import machine, usage
from benchmarks.measured.stand_in import DIGEST, stand_in
from lastlayer.classifier.domain.head import square_root, unit_length
from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.evaluation.likeness.collection import Collections
from lastlayer.classifier.evaluation.likeness.nearest import prepare
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.vectors.snapshots import Snapshots
from lastlayer.client import Client, read_data
from lastlayer.local.services import Service, free_port, home

_TAP: Final = "avgpool0"
_DIMENSION: Final = 1024
_LATENT: Final = 64
_CLASSES: Final = 10
_NOISE: Final = {"as photos": 0.35, "mostly noise": 1.5}
"""The standard deviation of what is in no direction. With the first, 128 directions have 96 % of the vectors' length,
as of photos of flowers."""

_BLOCK: Final = 1000
_SEARCHES: Final = 100
_NEAREST: Final = 20
_TIMEOUT_S: Final = 1800.0

Vectors = npt.NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, nargs="*", default=(100_000,))
    parser.add_argument("--mapped", type=int, nargs="*", default=(10_000,), help="how many images are mapped")
    parser.add_argument("--features", choices=_NOISE, nargs="*", default=list(_NOISE))
    parser.add_argument("--taps", type=Path, nargs="+", metavar="DATA", help="folders with a sub-folder a class")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    out.print(f"machine: {machine()}")
    if options.taps:
        out.print(_compare_taps(options.taps))
        return
    searches = Table(
        "examples", "features", "searched", "first, s", "median, ms", "95 %, ms", "processor, ms", "memory, MB"
    )
    for count, features in itertools.product(options.examples, options.features):
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/lastlayer.db"
            _fill(url, "d", count, _NOISE[features])
            for name, timed, memory_mb in _search(url, count, _NOISE[features]):
                searches.add_row(
                    f"{count:,}",
                    features,
                    name,
                    f"{timed.first_s:.2f}",
                    f"{1e3 * statistics.median(timed.others_s):.1f}",
                    f"{1e3 * float(np.quantile(timed.others_s, 0.95)):.1f}",
                    f"{1e3 * timed.processor_s:.1f}",
                    f"{memory_mb:.0f}",
                )
    if options.examples:
        out.print(searches)
    maps = Table("images", "method", "seconds", "processor seconds", "slowest other call, ms", "peak memory, MB")
    for count in options.mapped:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/lastlayer.db"
            _fill(url, "d", count, _NOISE["as photos"])
            for row in _map(url):
                maps.add_row(f"{count:,}", *row)
    if options.mapped:
        out.print(maps)


def _make(count: int, noise: float, start: int = 0) -> Iterator[tuple[Vectors, list[str]]]:
    """Yield features, float32 [k, d], with their labels."""
    layer = np.random.default_rng(0).normal(size=(_LATENT, _DIMENSION), scale=_LATENT**-0.5).astype(np.float32)
    centres = np.random.default_rng(1).normal(size=(_CLASSES, _LATENT)).astype(np.float32)
    for begin in range(start, start + count, _BLOCK):
        random = np.random.default_rng((2, begin))
        size = min(_BLOCK, start + count - begin)
        kinds = random.integers(_CLASSES, size=size)
        latent = random.standard_normal((size, _LATENT), np.float32) + centres[kinds]
        vectors = 0.5 + latent @ layer + noise * random.standard_normal((size, _DIMENSION), np.float32)
        yield np.maximum(vectors, 0), [f"class{kind}" for kind in kinds]


def _fill(url: str, dataset: str, count: int, noise: float) -> None:
    database = Database(url)
    datasets = DatasetStore(database)
    backbone = Backbone("stand-in", DIGEST, (Tap(_TAP, False, _DIMENSION),))
    number = itertools.count()
    for vectors, labels in _make(count, noise):
        new = []
        for vector, label in zip(vectors, labels, strict=True):
            name = next(number)
            # Checksums are spread over the whole range, as those of files are.
            content = np.random.default_rng((3, name)).bytes(32)
            new.append(NewExample(f"{name}.jpg", content, label, {_TAP: vector}))
        datasets.add(dataset, backbone, new)
    database.close()


class _Timed(NamedTuple):
    """How long calls took."""

    first_s: float
    others_s: list[float]
    processor_s: float
    """The mean of the processor time of the others, where the searching is done."""


def _search(url: str, count: int, noise: float) -> Iterator[tuple[str, _Timed, float]]:
    """Yield what was searched, how long that took, and the memory that the process had then, in MB."""
    database = Database(url)
    collections = Collections(Snapshots(database))
    rows = np.random.default_rng(5).integers(count, size=_SEARCHES).tolist()

    def search(row: int) -> npt.NDArray[np.float64]:
        with collections.open("d") as collection:
            assert collection is not None
            content = collection.contents[row]
            query = collection.find(content)
            assert query is not None
            candidates = collection.candidates(label="", pool=False, without=content)
            return collection.search(query, candidates, _NEAREST).distances

    own = os.getpid()
    yield "in process", _time(search, rows, own), usage(own).resident_mb
    _check(count, noise, rows[:10], search)
    database.close()
    with stand_in() as featurizer, _classifier(url, featurizer) as service:
        assert service.process is not None
        pid = service.process.pid
        with Client(service.address, timeout_s=_TIMEOUT_S) as client:
            # By the sha256, for which there is an index: a name is looked for.
            stored = [found.sha256 for found in client.get_examples("d", [f"{row}.jpg" for row in rows])]
            timed = _time(lambda sha256: client.similar("d", example=sha256), stored, pid)
            yield "over gRPC, by example", timed, usage(pid).resident_mb
            images = [f"class{number % _CLASSES} {number}".encode() for number in range(_SEARCHES)]
            timed = _time(lambda image: client.similar("d", image), images, pid)
            yield "over gRPC, by image", timed, usage(pid).resident_mb


def _check(count: int, noise: float, rows: Sequence[int], search: Callable[[int], npt.NDArray[np.float64]]) -> None:
    """Compare the distances of what is found with those of multiplying all vectors in double precision."""
    vectors = np.concatenate([prepare(block) for block, _ in _make(count, noise)])
    for row in rows:
        distances = 1 - vectors @ vectors[row].astype(np.float64)
        distances[row] = np.inf
        if np.abs(np.sort(distances)[:_NEAREST] - search(row)).max() > 1e-6:
            raise AssertionError(f"what is nearest to {row} was not found")


def _time(call: Callable[..., object], queries: Sequence[object], pid: int) -> _Timed:
    """Return how long a call takes for the first of some queries, and then for each of them; `pid` searches."""
    taken = []
    used_s = 0.0
    for number, query in enumerate([queries[0], *queries]):
        if number == 1:
            used_s = usage(pid).cpu_s
        before = time.perf_counter()
        call(query)
        taken.append(time.perf_counter() - before)
    return _Timed(taken[0], taken[1:], (usage(pid).cpu_s - used_s) / len(queries))


def _map(url: str) -> Iterator[tuple[str, ...]]:
    for method in ("pca", "neighbors"):
        with stand_in() as featurizer, _classifier(url, featurizer) as service:
            assert service.process is not None
            with Client(service.address, timeout_s=_TIMEOUT_S) as client, asking(service.address) as taken:
                before, started = usage(service.process.pid), time.perf_counter()
                found = client.map_examples("d", method=method, max_examples=100_000, timeout_s=_TIMEOUT_S)
                seconds, after = time.perf_counter() - started, usage(service.process.pid)
            yield (
                found.method,
                f"{seconds:.1f}",
                f"{after.cpu_s - before.cpu_s:.1f}",
                f"{1e3 * max(taken):.0f}",
                f"{after.peak_mb:.0f}",
            )


@contextmanager
def _classifier(url: str, featurizer: str) -> Iterator[Service]:
    address = f"127.0.0.1:{free_port()}"
    environment = {
        "LASTLAYER_HOME": str(home()),
        "CLASSIFIER_ADDRESS": address,
        "CLASSIFIER_FEATURIZER": featurizer,
        "CLASSIFIER_STORE_URL": url,
    }
    with tempfile.TemporaryDirectory() as scratch:
        service = Service("classifier-svc", address, Path(scratch) / "classifier.log", environment)
        service.start()
        try:
            service.wait_until_serving(_TIMEOUT_S)
            yield service
        finally:
            service.stop()


def _compare_taps(sources: Sequence[Path]) -> Table:
    """Return of how many of the 20 nearest of all images the class is the same, by tap."""
    table = Table("tap", "numbers", *(source.name for source in sources), "mean")
    shares: dict[tuple[str, bool], list[float]] = {}
    sizes: dict[str, int] = {}
    for source in sources:
        labels, taps = featurize(read_data(source).examples, "")
        y = np.array(labels)
        for tap in taps:
            if tap.are_logits:
                continue
            sizes[tap.name] = tap.values.shape[1]
            for rooted in (False, True):
                vectors = unit_length(square_root(tap.values) if rooted else tap.values)
                same = []
                for start in range(0, len(y), _BLOCK):
                    cosines = vectors[start : start + _BLOCK] @ vectors.T
                    cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = -1
                    nearest = np.argpartition(-cosines, _NEAREST, axis=1)[:, :_NEAREST]
                    same.append((y[nearest] == y[start : start + _BLOCK, None]).mean(1))
                shares.setdefault((tap.name, rooted), []).append(float(np.concatenate(same).mean()))
    for (name, rooted), found in shares.items():
        title = f"{name}, square roots" if rooted else name
        table.add_row(title, str(sizes[name]), *(f"{share:.3f}" for share in found), f"{np.mean(found):.3f}")
    return table


if __name__ == "__main__":
    main()
