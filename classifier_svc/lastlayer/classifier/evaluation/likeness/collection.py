"""Holds the features of datasets in memory between searches, as far as they fit.

What is held of n images: the sketches, 516 bytes each; their sha256 and the rows of their labels, about 100 bytes each;
and the vectors of d numbers, 4 x d bytes each, where those are at most `_MOST_VECTOR_BYTES` in all. So 100,000 images
at GoogLeNet's deepest tap, of 1,024 numbers, take 0.47 GB; a million 0.62 GB, and what a search looks at is read from
the store. While a dataset that has changed is read again, the old arrays are there beside the new ones. Several
datasets together are held up to `_MOST_BYTES`, the latest searched ones. A container of Compose has 2 GB.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.evaluation.likeness.nearest import (
    Bounds,
    Found,
    Sketches,
    Vectors,
    find_directions,
    find_nearest,
    iterate_rows,
    prepare,
)
from lastlayer.classifier.store.vectors.snapshots import FeaturizedImages, Snapshot, Snapshots, Source, State
from lastlayer.rpc.errors import NotReadyError

_MOST_VECTOR_BYTES: Final = 2**29
"""The vectors of 131,000 images at GoogLeNet's deepest tap, of 65,000 at Xception's."""

_MOST_BYTES: Final = 2**30

_BYTES_OF_IMAGE: Final = 100

_SKETCHED: Final = 4096
"""From how many images on sketches pay: fewer are multiplied within a few milliseconds."""

_SAMPLE: Final = 2048
"""From how many images the directions of sketches are found."""


@dataclass(frozen=True)
class _Held:
    """What is held of a dataset."""

    state: State
    source: Source
    images: FeaturizedImages
    rows: Mapping[str, Indices]
    """By label: which images have it."""
    beginnings: npt.NDArray[np.uint64]
    """The first 8 bytes of the sha256 of each image, [n], by which one is found."""
    vectors: Vectors | None
    """Prepared, [n, d]; None where they are too many."""
    sketches: Sketches | None
    """None where the images are few."""

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        sketches = self.sketches.coordinates.nbytes if self.sketches else 0
        vectors = self.vectors.nbytes if self.vectors is not None else 0
        return vectors + sketches + _BYTES_OF_IMAGE * len(self.images.contents)

    def is_of(self, snapshot: Snapshot) -> bool:
        """Return whether it is what the snapshot has, too. Images without features may have got some at any time."""
        incomplete = self.images.stale_count or self.images.pool_stale_count
        return self.state == snapshot.state and not incomplete


class Collection:
    """The images of a dataset as of one moment, to be searched."""

    def __init__(self, held: _Held, snapshot: Snapshot) -> None:
        self._held = held
        self._snapshot = snapshot
        self.source = held.source
        self.contents = held.images.contents
        """The sha256 of the images that are compared, those of the pool last."""

    def find(self, content: bytes) -> Vectors | None:
        """Return the prepared vector of an image, by its sha256, float32 [d]; None where it has no features."""
        rows = self._rows_of(content)
        if not len(rows):
            return None
        vector: Vectors = self._read(rows)[0]
        return vector

    def count_stale(self, *, pool: bool) -> int:
        """Return how many images have no features, with those of the pool or without."""
        return self._held.images.stale_count + (self._held.images.pool_stale_count if pool else 0)

    def candidates(self, *, label: str, pool: bool, without: bytes) -> npt.NDArray[np.bool_]:
        """Return which images are searched, bool [n]: those with a `label` where one is given, with those of the `pool`
        or without, save one image.
        """
        wanted = np.full(len(self.contents), not label)
        if label:
            wanted[self._held.rows.get(label, [])] = True
        elif not pool:
            wanted[self._held.images.example_count :] = False
        wanted[self._rows_of(without)] = False
        return wanted

    def search(self, query: Vectors, candidates: npt.NDArray[np.bool_], count: int) -> Found:
        """Return the `count` candidates that are nearest to a prepared vector, float32 [d]."""
        sketches = self._held.sketches
        bounds = Bounds.unknown(len(self.contents)) if sketches is None else sketches.bound(query)
        bounds.leave_out(~candidates)
        return find_nearest(query, bounds, count, self._read, self._held.vectors)

    def _rows_of(self, content: bytes) -> Indices:
        """Return the row of an image, intp [1], by its sha256; [0] where it has no features."""
        likely = np.flatnonzero(self._held.beginnings == _begin([content])[0]).tolist() if content else []
        return np.array([row for row in likely if self.contents[row] == content], np.intp)

    def _read(self, rows: Indices) -> Vectors:
        if self._held.vectors is not None:
            return self._held.vectors[rows]
        return _read_prepared(self._snapshot, [self.contents[row] for row in rows])


class Collections:
    """The datasets that were searched last. Its methods block, and are for one thread at a time."""

    def __init__(self, snapshots: Snapshots, stopped: Callable[[], bool] = lambda: False) -> None:
        """`stopped` is asked while a dataset is being read, which takes a minute for a million images."""
        self._snapshots = snapshots
        self._stopped = stopped
        self._held: OrderedDict[str, _Held] = OrderedDict()

    @contextlib.contextmanager
    def open(self, dataset: str) -> Iterator[Collection | None]:
        """Yield the images of a dataset, None where it has none; they can be searched within the block.

        Raises ResourceNotFoundError, StoreCorruptError, or NotReadyError where the service stops meanwhile.
        """
        held = self._held.pop(dataset, None)
        with self._snapshots.open(dataset) as snapshot:
            if snapshot.source is None:
                yield None
                return
            if held is None or not held.is_of(snapshot):
                held = self._renew(held, snapshot, snapshot.source)
            self._held[dataset] = held
            while len(self._held) > 1 and sum(held.size for held in self._held.values()) > _MOST_BYTES:
                self._held.popitem(last=False)
            yield Collection(held, snapshot)

    def _renew(self, before: _Held | None, snapshot: Snapshot, source: Source) -> _Held:
        """Return what is held of a snapshot; what was held `before` is not read again."""
        images = snapshot.list_images()
        by_label = _rows_by_label(images)
        if before is not None and before.source == source and before.images.contents == images.contents:
            return replace(before, state=snapshot.state, images=images, rows=by_label)
        fits = 4 * len(images.contents) * source.tap.dimension <= _MOST_VECTOR_BYTES
        sketched = len(images.contents) >= _SKETCHED or not fits
        if before is None or (before.source, before.vectors is not None, before.sketches is not None) != (
            source,
            fits,
            sketched,
        ):
            return self._read(snapshot, source, images, by_label, fits=fits, sketched=sketched)
        return self._update(before, snapshot, images, by_label)

    def _read(
        self,
        snapshot: Snapshot,
        source: Source,
        images: FeaturizedImages,
        by_label: Mapping[str, Indices],
        *,
        fits: bool,
        sketched: bool,
    ) -> _Held:
        """Return what is held of a snapshot, all read from the store."""
        count = len(images.contents)
        sketches = None
        if sketched:
            sample = images.contents[:: -(-count // _SAMPLE)]
            sketches = Sketches.empty(find_directions(_read_prepared(snapshot, sample)), count)
        vectors = np.empty((count, source.tap.dimension), np.float32) if fits else None
        held = _Held(snapshot.state, source, images, by_label, _begin(images.contents), vectors, sketches)
        self._fill(held, np.arange(count), snapshot)
        return held

    def _update(
        self, before: _Held, snapshot: Snapshot, images: FeaturizedImages, by_label: Mapping[str, Indices]
    ) -> _Held:
        """Return what is held of a snapshot; what was held before is copied, and only the rest read."""
        row_of = {content: row for row, content in enumerate(before.images.contents)}
        were = np.array([row_of.get(content, -1) for content in images.contents], np.intp)
        kept = np.flatnonzero(were >= 0)
        vectors, sketches = None, None
        if before.vectors is not None:
            vectors = np.empty((len(were), before.source.tap.dimension), np.float32)
            vectors[kept] = before.vectors[were[kept]]
        if before.sketches is not None:
            sketches = Sketches.empty(before.sketches.directions, len(were))  # any directions are good enough
            sketches.take(kept, before.sketches, were[kept])
        held = _Held(snapshot.state, before.source, images, by_label, _begin(images.contents), vectors, sketches)
        self._fill(held, np.flatnonzero(were < 0), snapshot)
        return held

    def _fill(self, held: _Held, rows: Indices, snapshot: Snapshot) -> None:
        """Read the vectors of some images."""
        for some in iterate_rows(rows):
            if self._stopped():
                raise NotReadyError("The classifier is stopping.")
            vectors = _read_prepared(snapshot, [held.images.contents[row] for row in some])
            if held.vectors is not None:
                held.vectors[some] = vectors
            if held.sketches is not None:
                held.sketches.put(some, vectors)


def _begin(contents: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(content[:8] for content in contents), np.uint64)


def _rows_by_label(images: FeaturizedImages) -> dict[str, Indices]:
    rows: dict[str, list[int]] = {}
    for row, labels in enumerate(images.labels):
        for label in labels:
            rows.setdefault(label, []).append(row)
    return {label: np.array(of_label, np.intp) for label, of_label in rows.items()}


def _read_prepared(snapshot: Snapshot, contents: Sequence[bytes]) -> Vectors:
    return np.concatenate([prepare(block) for block in snapshot.read_vectors(contents)])
