"""Parquet files with a column of images, or of the paths of images."""

import threading
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.sources.paths import beside, parent
from lastlayer.featurizer.errors import BulkError

_IMAGE_COLUMNS: Final = ("image", "jpg", "jpeg", "png", "bytes", "content", "path", "file", "filename", "url")
"""What is taken for the images where nothing is said, the first that there is."""

_ROWS: Final = 4096

_MAX_TEXT_BYTES: Final = 2**17
"""Of a path or a label."""

_MAX_GROUP_BYTES: Final = 4 * 2**30
"""Of the images of a row group, which is read as a whole."""


def find_items(url: str, shown: str, files: Files, *, label_from: str | None, column: str | None) -> Iterator[Item]:
    """Yield the images of a Parquet file.

    The column has the bytes of images, such as binary or Hugging Face's struct of `bytes`, or their paths, which start
    at the folder of the file where they are relative. Raises BulkError where the file or a column is not as needed.
    """
    with files.opened(url) as file:
        try:
            yield from _items(_open(file), url, shown, label_from, column)
        except (pa.ArrowException, OSError) as error:  # an OSError where a page is damaged
            raise BulkError(f"`{shown}` is no Parquet file that can be read: {error}") from error


def _open(file: Any) -> pq.ParquetFile:
    """Return a Parquet file of which a value that is there once, and meant by many rows, is read once."""
    parquet = pq.ParquetFile(file)
    names = [parquet.metadata.schema.column(index).path for index in range(parquet.metadata.num_columns)]
    repeated = {
        names[index]
        for group in range(parquet.metadata.num_row_groups)
        for index in range(len(names))
        if any("DICT" in encoding for encoding in parquet.metadata.row_group(group).column(index).encodings)
        and parquet.metadata.schema.column(index).physical_type == "BYTE_ARRAY"
    }
    if not repeated:
        return parquet
    file.seek(0)
    return pq.ParquetFile(file, read_dictionary=sorted(repeated))


def _items(parquet: pq.ParquetFile, url: str, shown: str, label_from: str | None, column: str | None) -> Iterator[Item]:
    schema: pa.Schema = parquet.schema_arrow
    name = image_column(schema, shown, column)
    kind = _plain(schema.field(name).type)
    holds_paths = _is_text(kind)
    if not (holds_paths or _is_binary(kind) or _is_struct_of_bytes(kind)):
        raise BulkError(
            f"`{shown}`: the column `{name}` has {str(kind)[:64]}; bytes of images, structs of `bytes`, or paths are "
            "accepted."
        )
    label_column = None if label_from in (None, "folder") else label_from
    if label_column is not None and label_column not in schema.names:
        raise BulkError(f"`{shown}` has no column `{label_column}`; its columns are {', '.join(schema.names)}.")
    wanted = [column for column in (name if holds_paths else None, label_column) if column is not None]
    if not wanted:
        for row in range(parquet.metadata.num_rows):
            yield Item(f"{shown}#{row}", url, "parquet", row, label=parent(url) if label_from == "folder" else None)
        return
    row = 0
    for batch in parquet.iter_batches(_ROWS, columns=wanted):
        for text in batch.columns:
            _check_text(text, shown)
        for cells in batch.to_pylist():
            label = cells[label_column] if label_column else None
            label = None if label is None else str(label)
            if not holds_paths:
                yield Item(f"{shown}#{row}", url, "parquet", row, label=label or (_folder(url, label_from)))
            else:
                path = cells[name] or ""
                place = beside(url, path)
                yield Item(path or f"{shown}#{row}", place, label=label or _folder(place, label_from))
            row += 1


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _is_struct_of_bytes(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind):
        return False
    return any(field.name == "bytes" and _is_binary(_plain(field.type)) for field in kind)


def _check_text(values: pa.Array, shown: str) -> None:
    """Raise BulkError where a path or a label is too long: each row would have a copy of it."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary
    if not (_is_text(values.type) or _is_binary(values.type)):
        return
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    if longest > _MAX_TEXT_BYTES:
        raise BulkError(
            f"`{shown}`: a path or a label has {longest:,} bytes; at most {_MAX_TEXT_BYTES:,} are accepted."
        )


def _folder(url: str, label_from: str | None) -> str | None:
    return parent(url) if label_from == "folder" else None


def image_column(schema: pa.Schema, shown: str, column: str | None) -> str:
    """Return the column that has images; raises BulkError where there is none."""
    if column is None:
        column = next((name for name in _IMAGE_COLUMNS if name in schema.names), None)
    if column is None or column not in schema.names:
        asked = f"no column `{column}`" if column else "no column that looks like images"
        raise BulkError(f"`{shown}` has {asked}; say which it is by --column: {', '.join(schema.names)}.")
    return column


class RowReader:
    """Reads single rows of Parquet files; keeps the row group that it read last, as rows are asked for in order.

    It may be called in several threads at once.
    """

    def __init__(self, files: Files, column: str | None) -> None:
        self._files = files
        self._column = column
        self._kept: tuple[str, int, int] = "", 0, 0  # the file, the first row, and the row after the last
        self._cells: Any = None
        self._reading = threading.Lock()

    def read(self, url: str, row: int) -> bytes:
        """Return the bytes of the image in a row, empty where the cell is; raises OSError or BulkError."""
        with self._reading:
            kept, first, end = self._kept
            if kept != url or not first <= row < end:
                first = self._load(url, row)
            cell = self._cells[row - first].as_py()
        if isinstance(cell, dict):
            cell = cell.get("bytes")
        return cell or b""

    def _load(self, url: str, row: int) -> int:
        with self._files.opened(url) as file:
            try:
                parquet = _open(file)
            except pa.ArrowException as error:
                raise BulkError(f"`{url}` is no Parquet file that can be read: {error}") from error
            name = image_column(parquet.schema_arrow, url, self._column)
            first = 0
            for group in range(parquet.num_row_groups):
                end = first + parquet.metadata.row_group(group).num_rows
                if row < end:
                    break
                first = end
            told = parquet.metadata.row_group(group)
            columns = [told.column(index) for index in range(told.num_columns)]
            size = sum(one.total_uncompressed_size for one in columns if one.path_in_schema.partition(".")[0] == name)
            if size > _MAX_GROUP_BYTES:
                raise BulkError(
                    f"`{url}`: the images of a row group take {size / 2**30:.1f} GiB, and at most "
                    f"{_MAX_GROUP_BYTES // 2**30} are accepted; write it with fewer rows in a group."
                )
            try:
                self._cells = parquet.read_row_group(group, columns=[name]).column(0)
            except (pa.ArrowException, OSError) as error:
                raise BulkError(f"`{url}` is no Parquet file that can be read: {error}") from error
        self._kept = url, first, end
        return first
