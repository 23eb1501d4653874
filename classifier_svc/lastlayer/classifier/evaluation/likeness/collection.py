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
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.evaluation.likeness.nearest import (
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
"""From how many images on sketches pay: fewer are looked at whole within a few milliseconds."""

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
        return self.state == snapshot.state and not self.images.stale_count


class Collection:
    """The images of a dataset as of one moment, to be searched."""

    def __init__(self, held: _Held, snapshot: Snapshot) -> None:
        self._held = held
        self._snapshot = snapshot
        self.source = held.source
        self.contents = held.images.contents
        """The sha256 of the images that are compared, in order of arrival."""
        self.stale_count = held.images.stale_count

    def find(self, content: bytes) -> Vectors | None:
        """Return the prepared vector of an image, by its sha256, float32 [d]; None where it has no features."""
        try:
            row = self.contents.index(content)
        except ValueError:
            return None
        vector: Vectors = self._read(np.array([row]))[0]
        return vector

    def candidates(self, *, label: str = "", without: bytes = b"") -> npt.NDArray[np.bool_]:
        """Return which images are searched, bool [n]: those with a `label` where one is given, save one image."""
        wanted = np.full(len(self.contents), not label)
        if label:
            wanted[self._held.rows.get(label, [])] = True
        if without in self.contents:
            wanted[self.contents.index(without)] = False
        return wanted

    def search(self, query: Vectors, candidates: npt.NDArray[np.bool_], count: int) -> Found:
        """Return the `count` candidates that are nearest to a prepared vector, float32 [d]."""
        if self._held.sketches is None:
            bounds = np.full(len(self.contents), np.inf, np.float32)
        else:
            bounds = self._held.sketches.bound(query)
        bounds[~candidates] = -np.inf
        return find_nearest(query, bounds, count, self._read)

    def _read(self, rows: Indices) -> Vectors:
        if self._held.vectors is not None:
            return self._held.vectors[rows]
        contents = [self.contents[row] for row in rows]
        return np.concatenate([prepare(block) for block in self._snapshot.read_vectors(contents)])


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
        with self._snapshots.open(dataset) as snapshot:
            held = self._held.pop(dataset, None)
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
        rows: dict[str, list[int]] = {}
        for row, labels in enumerate(images.labels):
            for label in labels:
                rows.setdefault(label, []).append(row)
        by_label = {label: np.array(of_label, np.intp) for label, of_label in rows.items()}
        if before is not None and before.source == source and before.images.contents == images.contents:
            return _Held(snapshot.state, source, images, by_label, before.vectors, before.sketches)
        count, dimension = len(images.contents), source.tap.dimension
        fits = 4 * count * dimension <= _MOST_VECTOR_BYTES
        vectors = np.empty((count, dimension), np.float32) if fits else None
        sketches = None
        if count >= _SKETCHED or not fits:
            sketches = Sketches.empty(self._directions(before, snapshot, source, images.contents), count)
        start = 0
        for block in self._iterate(before, snapshot, source, images.contents):
            of_block = slice(start, start + len(block))
            if vectors is not None:
                vectors[of_block] = block
            if sketches is not None:
                sketches.put(of_block, block)
            start += len(block)
        return _Held(snapshot.state, source, images, by_label, vectors, sketches)

    def _directions(
        self, before: _Held | None, snapshot: Snapshot, source: Source, contents: Sequence[bytes]
    ) -> Vectors:
        if before is not None and before.source == source and before.sketches is not None:
            return before.sketches.directions  # any are good enough
        sample = contents[:: -(-len(contents) // _SAMPLE)]
        return find_directions(np.concatenate([prepare(block) for block in snapshot.read_vectors(sample)]))

    def _iterate(
        self, before: _Held | None, snapshot: Snapshot, source: Source, contents: Sequence[bytes]
    ) -> Iterator[Vectors]:
        """Yield the prepared vectors of images, some at a time, float32 [k, d]: those at hand, or of the store."""
        known: dict[bytes, int] = {}
        held = None
        if before is not None and before.source == source and before.vectors is not None:
            held = before.vectors
            known = {content: row for row, content in enumerate(before.images.contents)}
        for rows in iterate_rows(len(contents)):
            if self._stopped():
                raise NotReadyError("The classifier is stopping.")
            some = contents[rows]
            block = np.empty((len(some), source.tap.dimension), np.float32)
            at_hand = np.array([content in known for content in some])
            if held is not None and at_hand.any():
                block[at_hand] = held[[known[content] for content in some if content in known]]
            missing = [content for content in some if content not in known]
            if missing:
                block[~at_hand] = np.concatenate([prepare(read) for read in snapshot.read_vectors(missing)])
            yield block
