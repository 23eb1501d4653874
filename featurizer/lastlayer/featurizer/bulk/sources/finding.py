"""Goes through sources and yields their images: the one place that knows which kinds of sources there are."""

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from lastlayer.featurizer.bulk.files import Files, patiently
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.sources import lists, parquet, tars
from lastlayer.featurizer.bulk.sources.paths import parent
from lastlayer.featurizer.errors import BulkError

IMAGE_SUFFIXES: Final = frozenset({".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""The endings of the names of images; the same files decode whatever their names are."""

_LIST_SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt"})
_GLOB: Final = frozenset("*?[")


def find_items(sources: Sequence[str], files: Files, *, label_from: str | None, column: str | None) -> Iterator[Item]:
    """Yield the images of all sources, in their order.

    A source is a folder (with those below it), a pattern such as `s3://photos/**/*.jpg`, an image, a TSV or CSV file of
    paths and labels, a Parquet file or a tar file; folders and patterns may hold Parquet and tar files, too.
    `label_from` is `folder`, or the name of a column, or the ending of the members of tar files that hold the labels.
    `column` is the column of Parquet files that has the images or their paths.

    Raises BulkError where a source is not there, is of no known kind, or lacks a column.
    """
    for source in sources:
        found = False
        for item in _find(source, files, label_from, column):
            found = True
            yield item
        if not found:
            raise BulkError(
                f"There is no image in `{source}`; accepted are files that end in "
                f"{', '.join(sorted(IMAGE_SUFFIXES))}, and Parquet and tar files of them."
            )


def _find(source: str, files: Files, label_from: str | None, column: str | None) -> Iterator[Item]:
    file_system, path = files.locate(source)
    if _GLOB & set(path):
        entries = sorted(patiently(lambda: file_system.glob(path)))
        names = ((entry, entry) for entry in entries)
    elif patiently(lambda: file_system.isdir(path)):
        names = ((name, posixpath.join(source, posixpath.relpath(name, path))) for name in _walk(file_system, path))
    elif patiently(lambda: file_system.exists(path)):
        yield from _in_file(file_system.unstrip_protocol(path), source, files, label_from, column, by_user=True)
        return
    else:
        raise BulkError(f"There is no file or folder `{source}`.")
    for name, shown in names:
        yield from _in_file(file_system.unstrip_protocol(name), shown, files, label_from, column)


def _walk(file_system: Any, folder: str) -> Iterator[str]:
    """Yield the files of a folder and of those below it, in the order of their names.

    One folder after the other: a bucket's whole list of names would not fit into memory.
    """
    entries = patiently(lambda: file_system.ls(folder, detail=True))
    for entry in sorted(entries, key=lambda entry: str(entry["name"])):
        name = entry["name"].rstrip("/")
        linked = bool(entry.get("islink"))  # whose type does not tell what it leads to
        if entry["type"] == "directory" or (linked and file_system.isdir(name)):
            if not (linked and _leads_up(name)):
                yield from _walk(file_system, name)
        elif name != folder:  # some tools put an empty object where a folder begins
            yield name


def _leads_up(link: str) -> bool:
    """Return whether a link leads to a folder that it is in, and so on for ever."""
    return Path(link).is_relative_to(Path(link).resolve())


def _in_file(
    url: str, shown: str, files: Files, label_from: str | None, column: str | None, *, by_user: bool = False
) -> Iterator[Item]:
    """Yield the images of one file; what is no image yields none, unless the user has named it."""
    suffix = posixpath.splitext(url)[1].lower()
    if suffix == ".parquet":
        yield from parquet.find_items(url, shown, files, label_from=label_from, column=column)
    elif suffix == ".tar":
        yield from tars.find_items(url, shown, files, label_from=label_from, suffixes=IMAGE_SUFFIXES)
    elif suffix in IMAGE_SUFFIXES or (by_user and suffix not in _LIST_SUFFIXES):
        yield Item(shown, url, label=parent(url) if label_from == "folder" else None)
    elif by_user:
        yield from lists.find_items(url, shown, files, label_from=label_from)
