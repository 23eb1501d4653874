"""Lists of images: TSV or CSV files in UTF-8 of paths and labels, with or without a line of column names."""

import csv
import io
import itertools
from collections.abc import Iterator
from typing import Final

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.sources.paths import beside, parent
from lastlayer.featurizer.errors import BulkError

_MAX_LINE_CHARS: Final = 2**17
"""The longest line, as of a field of a CSV file."""

_PATH_COLUMNS = ("path", "image", "file", "filename", "url")


def find_items(url: str, shown: str, files: Files, *, label_from: str | None) -> Iterator[Item]:
    """Yield the images of a list, whose relative paths start at its folder.

    Without a line of names the first column is the path and the second the label; `label_from` is then `label`.
    Raises BulkError where the file is no such list.
    """
    with files.opened(url) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
        # In a TSV quotes mean nothing.
        rows = csv.reader(text, delimiter=",") if shown.lower().endswith(".csv") else _split(text, shown)
        try:
            yield from _items(rows, url, shown, label_from)
        except UnicodeDecodeError as error:
            raise BulkError(f"`{shown}` is not in UTF-8, which is what is accepted ({error.reason}).") from error
        except csv.Error as error:
            raise BulkError(f"`{shown}` is no CSV file: {error}.") from error


def _split(text: io.TextIOWrapper, shown: str) -> Iterator[list[str]]:
    for number in itertools.count(1):
        line = text.readline(_MAX_LINE_CHARS + 1)
        if not line:
            return
        if len(line) > _MAX_LINE_CHARS:
            raise BulkError(f"`{shown}`, line {number}: it has more than {_MAX_LINE_CHARS:,} characters.")
        yield line.rstrip("\r\n").split("\t")


def _items(rows: Iterator[list[str]], url: str, shown: str, label_from: str | None) -> Iterator[Item]:
    names = ["path", "label"]
    for number, cells in enumerate(rows, start=1):
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        lower = [cell.lower() for cell in cells]
        if number == 1 and set(lower) & set(_PATH_COLUMNS):
            names = lower
            continue
        row = dict(zip(names, cells, strict=False))
        path = next((row[name] for name in _PATH_COLUMNS if row.get(name)), "")
        if not path:
            raise BulkError(f"{shown}, line {number}: there is no path; a path and a label are needed.")
        place = beside(url, path)
        label = parent(place) if label_from == "folder" else row.get(label_from.lower()) if label_from else None
        if label_from not in (None, "folder") and not label:
            raise BulkError(f"{shown}, line {number}: there is no `{label_from}`; its columns are {', '.join(names)}.")
        yield Item(path, place, label=label)
