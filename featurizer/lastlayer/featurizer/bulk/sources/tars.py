"""Tar files, such as WebDataset's: the images in them are found once, and then read where they are."""

import itertools
import posixpath
import tarfile
from collections.abc import Collection, Iterator
from typing import Any, Final

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.sources.paths import parent
from lastlayer.featurizer.errors import BulkError

_MAX_LABEL_BYTES: Final = 1024

_MAX_READ_BYTES: Final = 2**20
"""The most that is read at once: names and attributes of members are shorter, whatever their headers say."""

_MAX_MEMBERS: Final = 10_000
"""The most members of one sample, where labels are looked for among them."""


def find_items(
    url: str, shown: str, files: Files, *, label_from: str | None, suffixes: Collection[str]
) -> Iterator[Item]:
    """Yield the images of a tar file that is not compressed.

    `label_from` is `folder` (of a member), or the ending of the members that hold the labels, such as `cls` for
    `0001.cls` beside `0001.jpg`. Raises BulkError where the file is damaged, compressed, or a label is missing.
    """
    with files.opened(url) as file:
        try:
            cautious: Any = _Cautious(file)
            with tarfile.open(fileobj=cautious, mode="r:") as tar:
                # Members of one sample follow each other, and have a name in common up to the first dot.
                for sample, group in itertools.groupby(_members(tar), _sample):
                    if label_from in (None, "folder"):
                        for member in group:
                            yield from _of_sample(tar, url, shown, sample, [member], label_from, suffixes)
                        continue
                    members = list(itertools.islice(group, _MAX_MEMBERS + 1))
                    if len(members) > _MAX_MEMBERS:
                        raise BulkError(
                            f"`{shown}`: the sample `{sample}` has more than {_MAX_MEMBERS:,} members; the names of a "
                            "sample are the same up to their first dot."
                        )
                    yield from _of_sample(tar, url, shown, sample, members, label_from, suffixes)
        except (tarfile.TarError, OverflowError, ValueError) as error:
            raise BulkError(
                f"`{shown}` is no tar file that can be read where it is ({error}); compressed ones are to be unpacked."
            ) from error


class _Cautious:
    """A file that refuses what no tar file needs: else its headers would say how much memory is taken."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        """Return bytes; raises TarError where they are too many."""
        if not 0 <= size <= _MAX_READ_BYTES:
            raise tarfile.ReadError("a header says to be longer than any is")
        content: bytes = self._file.read(size)
        return content

    def seek(self, position: int) -> int:
        """Go somewhere; raises TarError where nothing can be."""
        if position < 0:
            raise tarfile.ReadError("a member says to be shorter than nothing")
        place: int = self._file.seek(position)
        return place


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members that are files; what links lead to is not read, and sparse files are no images."""
    for member in tar:
        if member.isreg() and not member.issparse():
            yield member
        tar.members = []  # type: ignore[attr-defined]  # or millions of them stay in memory


def _sample(member: tarfile.TarInfo) -> str:
    folder, name = posixpath.split(member.name)
    return posixpath.join(folder, name.partition(".")[0])


def _of_sample(
    tar: tarfile.TarFile,
    url: str,
    shown: str,
    sample: str,
    members: list[tarfile.TarInfo],
    label_from: str | None,
    suffixes: Collection[str],
) -> Iterator[Item]:
    images = [member for member in members if posixpath.splitext(member.name)[1].lower() in suffixes]
    if not images:
        return
    label = None
    if label_from == "folder":
        label = parent(sample)
    elif label_from is not None:
        label = _label(tar, shown, sample, members, label_from)
    for member in images:
        name = member.name.encode("utf-8", "backslashreplace").decode()  # it may be in another encoding
        yield Item(f"{shown}/{name}", url, "tar", member.offset_data, member.size, label)


def _label(tar: tarfile.TarFile, shown: str, sample: str, members: list[tarfile.TarInfo], ending: str) -> str:
    for member in members:
        if member.name == f"{sample}.{ending}":
            file: Any = tar.extractfile(member)
            content: bytes = file.read(_MAX_LABEL_BYTES + 1)
            if label := content[:_MAX_LABEL_BYTES].decode("utf-8", "replace").strip():
                return label
    raise BulkError(f"`{shown}`: the image `{sample}` has no label: there is no `{sample}.{ending}` beside it.")
