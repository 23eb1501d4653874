"""Writes feature vectors as Parquet: a folder of shards with a manifest, which `data.shards` reads, or one file."""

import hashlib
import json
import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.client.data.arrow import pa, pq
from lastlayer.client.data.shards import Batch, Row, locate
from lastlayer.client.errors import InvalidInputError
from lastlayer.rpc.vectors import FOLDER_FORMAT, GROUP_ROWS, MANIFEST

_SHARD_ROWS: Final = 10_000


class ShardWriter:
    """Writes a folder of shards; the manifest comes last. Each file appears whole, or not at all."""

    def __init__(self, folder: str) -> None:
        """Raises `InvalidInputError` where the folder has shards already."""
        self._folder = folder.rstrip("/")
        self._files, self._path = locate(self._folder)
        try:
            self._files.makedirs(self._path, exist_ok=True)
            present = self._files.ls(self._path, detail=False)
        except OSError as error:
            raise InvalidInputError(f"The folder {self._folder} cannot be written: {error}.") from error
        if any(name.endswith((".parquet", MANIFEST)) for name in present):
            raise InvalidInputError(f"The folder {self._folder} has shards already; name another one.")
        self._waiting: list[pa.Table] = []
        self._shards: list[dict[str, Any]] = []
        self._precisions: dict[str, int] = {}

    def add(self, batch: Batch, precisions: Sequence[str]) -> None:
        """Write rows, whose vectors were computed in `precisions`; a shard is written when it is full."""
        for precision in precisions:
            self._precisions[precision] = self._precisions.get(precision, 0) + 1
        self._waiting.append(_table(batch, precisions))
        if sum(table.num_rows for table in self._waiting) >= _SHARD_ROWS:
            self._write()

    def finish(self, backbone: str, digest: str, taps: Mapping[str, int], *, multi_label: bool = False) -> int:
        """Write what is left, and the manifest; return the number of shards. `taps` has their dimensions."""
        self._write()
        precision = max(self._precisions, key=self._precisions.__getitem__, default="")
        manifest = {
            "format": FOLDER_FORMAT,
            "backbone": {"name": backbone, "digest": digest, "precision": precision},
            "taps": [{"name": name, "dimension": dimension} for name, dimension in taps.items()],
            "dtype": "float32",
            "rows": sum(shard["rows"] for shard in self._shards),
            "failed": sum(shard["failed"] for shard in self._shards),
            "shards": self._shards,
            **({"multi_label": True} if multi_label else {}),
        }
        self._put(MANIFEST, f"{json.dumps(manifest, indent=2)}\n".encode())
        return len(self._shards)

    def _write(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting = []
        name = f"shard-{len(self._shards):05}.parquet"
        sink = pa.BufferOutputStream()
        pq.write_table(
            table,
            sink,
            compression="NONE",
            use_dictionary=["label", "error", "precision"],
            row_group_size=GROUP_ROWS,
        )
        content = sink.getvalue().to_pybytes()
        self._put(name, content)
        self._shards.append(
            {
                "shard": len(self._shards),
                "file": name,
                "rows": table.num_rows,
                "failed": table.num_rows - table.column("error").null_count,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )

    def _put(self, name: str, content: bytes) -> None:
        try:
            _put_file(posixpath.join(self._folder, name), content)
        except OSError as error:
            raise InvalidInputError(f"The file {self._folder}/{name} cannot be written: {error}.") from error


def to_file(rows: Sequence[Row], vectors: Mapping[str, npt.NDArray[np.float32]]) -> bytes:
    """Return a Parquet file with the vectors of some images, and the columns of a shard."""
    sink = pa.BufferOutputStream()
    pq.write_table(_table(Batch(rows, vectors, ""), None), sink, compression="NONE")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _put_file(path: str, content: bytes) -> None:
    """Put a file in its place, whole; raises OSError."""
    files, place = locate(path)
    if files.protocol not in ("file", ("file", "local")):
        files.pipe_file(place, content)
        return
    target = Path(place)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=target.parent) as folder:
        unfinished = Path(folder) / "content"
        unfinished.write_bytes(content)
        unfinished.replace(target)


def _table(batch: Batch, precisions: Sequence[str] | None) -> "pa.Table":
    whole = np.array([not row.error for row in batch.rows], bool)
    columns = {
        "id": pa.array([row.id for row in batch.rows], pa.string()),
        "sha256": pa.array([row.sha256.hex() or None for row in batch.rows], pa.string()),
        "label": pa.array([row.label for row in batch.rows], pa.string()),
        **{tap: _lists(values, whole) for tap, values in batch.vectors.items()},
        "error": pa.array([row.error or None for row in batch.rows], pa.string()),
    }
    if precisions is not None:
        columns["precision"] = pa.array(precisions, pa.string())
    return pa.table(columns)


def _lists(values: npt.NDArray[np.float32], whole: npt.NDArray[np.bool_]) -> "pa.Array":
    """Return the rows of [n, d] as lists, with none for rows that are not whole."""
    offsets = np.concatenate([[0], np.cumsum(whole) * values.shape[1]]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values.reshape(-1)), mask=pa.array(~whole))
