"""Parquet files with a column of images, or of the paths of images."""

import threading
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.sources.paths import beside, parent
from lastlayer.featurizer.errors import BulkError

_IMAGE_COLUMNS: Final = ("image", "jpg", "jpeg", "png", "bytes", "content", "path", "file", "filename", "url")
"""What is taken for the images where nothing is said, the first that there is."""

_ROWS: Final = 4096


def find_items(url: str, shown: str, files: Files, *, label_from: str | None, column: str | None) -> Iterator[Item]:
    """Yield the images of a Parquet file.

    The column has the bytes of images, such as binary or Hugging Face's struct of `bytes`, or their paths, which start
    at the folder of the file where they are relative. Raises BulkError where the file or a column is not as needed.
    """
    with files.opened(url) as file:
        try:
            parquet = pq.ParquetFile(file)
            yield from _items(parquet, url, shown, label_from, column)
        except pa.ArrowInvalid as error:
            raise BulkError(f"`{shown}` is no Parquet file: {error}") from error


def _items(parquet: pq.ParquetFile, url: str, shown: str, label_from: str | None, column: str | None) -> Iterator[Item]:
    schema: pa.Schema = parquet.schema_arrow
    name = image_column(schema, shown, column)
    holds_paths = pa.types.is_string(schema.field(name).type) or pa.types.is_large_string(schema.field(name).type)
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
            parquet = pq.ParquetFile(file)
            name = image_column(parquet.schema_arrow, url, self._column)
            first = 0
            for group in range(parquet.num_row_groups):
                end = first + parquet.metadata.row_group(group).num_rows
                if row < end:
                    break
                first = end
            self._cells = parquet.read_row_group(group, columns=[name]).column(0)
        self._kept = url, first, end
        return first
