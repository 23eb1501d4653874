"""Reads feature vectors in Parquet shards, as `featurizer embed` and `export.shards` write them, with a manifest.

The folder may be in any file system that fsspec knows, such as `s3://bucket/features`.
"""

import hashlib
import itertools
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.client.data.arrow import fsspec, pa, pq
from lastlayer.client.errors import DataError, InvalidInputError
from lastlayer.rpc.vectors import FOLDER_FORMAT, MANIFEST

_VIEW: Final = "crop"
"""Of which vectors are added: that of every dataset."""

_SHARD_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.parquet")
_MAX_MANIFEST_BYTES: Final = 64 * 2**20
_MAX_DIMENSION: Final = 2**20
_MAX_ROW_BYTES: Final = 2**20
"""Of a row beside its vectors, such as its id and its label."""


@dataclass(frozen=True)
class Manifest:
    """What a folder says of its shards."""

    backbone: str
    digest: str
    precision: str
    taps: tuple[str, ...]
    dimensions: tuple[int, ...]
    """Of the taps."""
    rows: int
    """How many there are, those without features included."""
    shards: tuple[tuple[str, str], ...]
    """The name of each file, and its sha256 in hexadecimal digits."""
    multi_label: bool = False
    """Whether an image may have several labels, a row each, or none, which is an empty one."""


@dataclass(frozen=True)
class Row:
    """An image of a shard, without its vectors."""

    id: str
    label: str | None
    sha256: bytes
    """32 bytes; empty where there is none."""
    error: str = ""
    """Why it has no vectors; empty where it has."""


@dataclass(frozen=True)
class Batch:
    """Some rows of a shard."""

    rows: Sequence[Row]
    vectors: Mapping[str, npt.NDArray[np.float32]]
    """By tap, of those rows that have no error, in their order: float32 [n, d]."""
    precision: str
    """In which they were computed, such as `float32`; empty where that is not known."""


class Shards:
    """A folder of shards that `featurizer embed` or `client datasets export` wrote."""

    def __init__(self, folder: str) -> None:
        """Raises `DataError` where the folder has no manifest, or one that cannot be used."""
        self._folder = folder.rstrip("/")
        self._files, self._path = locate(self._folder)
        self.manifest = self._read_manifest()

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the rows of all shards, at most `size` at a time, and about as many each time within a row group.

        Raises `DataError` where a shard is damaged.
        """
        for name, digest in self.manifest.shards:
            self._check(name, digest)
            try:
                with self._files.open(posixpath.join(self._path, name), "rb") as file:
                    # One column after the other, as it is there: more threads and buffers take half as much
                    # processor's time again.
                    shard = pq.ParquetFile(file, pre_buffer=False)
                    self._check_size(shard)
                    for group in range(shard.num_row_groups):  # all groups at once would all be in memory
                        rows = _equal_parts(shard.metadata.row_group(group).num_rows, size)
                        for block in shard.iter_batches(batch_size=rows, row_groups=[group], use_threads=False):
                            yield from self._split(block)
            except (pa.ArrowException, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
                raise DataError([f"{self._folder}/{name}: the shard cannot be read: {error}."]) from error

    def _check_size(self, shard: "pq.ParquetFile") -> None:
        """Raise ValueError where the file says that its rows are far larger than they can be."""
        row_bytes = _MAX_ROW_BYTES + 4 * sum(self.manifest.dimensions)
        for index in range(shard.num_row_groups):
            group = shard.metadata.row_group(index)
            largest = max(
                (group.column(place).total_uncompressed_size for place in range(group.num_columns)), default=0
            )
            if largest > row_bytes * max(1, group.num_rows):
                raise ValueError(f"its rows are larger than {row_bytes:,} bytes")

    def _check(self, name: str, expected: str) -> None:
        try:
            with self._files.open(posixpath.join(self._path, name), "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError([f"{self._folder}/{name}: the shard cannot be read: {error}."]) from error
        if found != expected:
            raise DataError([f"{self._folder}/{name}: the shard is not what the manifest says; write it again."])

    def _split(self, block: "pa.RecordBatch") -> Iterator[Batch]:
        """Yield the rows of a block, those of one precision at a time."""
        names = block.schema.names
        columns = {name: _texts(block, name) for name in ("id", "sha256", "label", "error")}
        errors = [error or "" for error in columns["error"]]
        rows = [
            Row(name or "", label, bytes.fromhex(sha256) if sha256 else b"", error)
            for name, label, sha256, error in zip(
                columns["id"], columns["label"], columns["sha256"], errors, strict=True
            )
        ]
        whole = np.array([not error for error in errors], bool)
        vectors = {
            tap: _matrix(block.column(tap), whole, dimension)
            for tap, dimension in zip(self.manifest.taps, self.manifest.dimensions, strict=True)
        }
        told = block.column("precision").to_pylist() if "precision" in names else [None] * len(rows)
        start = 0
        places = np.concatenate([[0], np.cumsum(whole)])
        for precision, group in itertools.groupby(told):
            end = start + len(list(group))
            part = slice(places[start], places[end])
            known = self.manifest.precision if precision is None else precision
            yield Batch(rows[start:end], {tap: values[part] for tap, values in vectors.items()}, known)
            start = end

    def _read_manifest(self) -> Manifest:
        try:
            with self._files.open(posixpath.join(self._path, MANIFEST), "rb") as file:
                content = file.read(_MAX_MANIFEST_BYTES + 1)
            if len(content) > _MAX_MANIFEST_BYTES:
                raise DataError([f"{self._folder}/{MANIFEST} is larger than {_MAX_MANIFEST_BYTES // 2**20} MiB."])
            told = json.loads(content)
        except OSError as error:
            raise DataError(
                [f"{self._folder} has no {MANIFEST}: give a folder where `featurizer embed` came to its end."]
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError([f"{self._folder}/{MANIFEST} is no JSON: write the folder again."]) from error
        try:
            if told["format"] != FOLDER_FORMAT:
                raise DataError([f"{self._folder}/{MANIFEST} is of format {told['format']}; {FOLDER_FORMAT} is read."])
            manifest = Manifest(
                backbone=str(told["backbone"]["name"]),
                digest=str(told["backbone"]["digest"]),
                precision=str(told["backbone"]["precision"]),
                taps=tuple(str(tap["name"]) for tap in told["taps"]),
                dimensions=tuple(int(tap["dimension"]) for tap in told["taps"]),
                rows=int(told["rows"]),
                shards=tuple((str(shard["file"]), str(shard["sha256"])) for shard in told["shards"]),
                multi_label=told.get("multi_label") is True,
            )
            if any(not 0 < dimension <= _MAX_DIMENSION for dimension in manifest.dimensions):
                raise ValueError(f"a tap has from 1 to {_MAX_DIMENSION:,} elements")
            views = list(told.get("views", [_VIEW]))
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise DataError([f"{self._folder}/{MANIFEST} lacks what is needed: {error}; write it again."]) from error
        if _VIEW not in views:
            told_views = ", ".join(map(str, views))[:64]
            raise DataError([f"{self._folder} has vectors of the views {told_views}; those of `{_VIEW}` are added."])
        for name, _ in manifest.shards:
            if not _SHARD_NAME.fullmatch(name):  # it opens no file elsewhere
                raise DataError([f"{self._folder}/{MANIFEST} names a shard `{name[:64]}`, which is no file's name."])
        return manifest


def _equal_parts(rows: int, size: int) -> int:
    """Return how many of some rows go into each part where all parts have as many, up to `size`, but for the last one.

    Example:
        _equal_parts(1000, 239) == 200
    """
    parts = -(-rows // size)
    return -(-rows // max(parts, 1)) or 1


def locate(url: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the place there; raises `InvalidInputError`."""
    try:
        files, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InvalidInputError(f"`{url}` cannot be opened: {error}") from error
    return files, str(path)


def _texts(block: "pa.RecordBatch", name: str) -> list[str | None]:
    column = block.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise ValueError(f"the column `{name}` has {str(kind)[:64]}, and text is read")
    texts: list[str | None] = column.to_pylist()
    return texts


def _matrix(column: "pa.Array", whole: npt.NDArray[np.bool_], dimension: int) -> npt.NDArray[np.float32]:
    """Return the vectors of the rows that are `whole`: float32 [n, dimension]."""
    values = column.flatten()
    if values.type not in (pa.float32(), pa.float16()):
        raise ValueError(f"a tap has {str(values.type)[:64]}, and float32 or float16 is read")
    told = column.value_lengths()
    lengths = np.array([length or 0 for length in told.to_pylist()]) if told.null_count else np.from_dlpack(told)
    if not np.array_equal(lengths, whole * dimension):
        raise ValueError(f"a row without error has no {dimension} numbers at a tap, or one with an error has some")
    # Arrow's own conversion makes NaN of what is null, and imports pandas, which takes as long as 2,000 examples.
    numbers = values.to_numpy(zero_copy_only=False) if values.null_count else np.from_dlpack(values)
    matrix: npt.NDArray[np.float32] = numbers.reshape(-1, dimension).astype("<f4", copy=False)
    return matrix
