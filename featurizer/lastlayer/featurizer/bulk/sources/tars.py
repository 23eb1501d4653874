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


def find_items(
    url: str, shown: str, files: Files, *, label_from: str | None, suffixes: Collection[str]
) -> Iterator[Item]:
    """Yield the images of a tar file that is not compressed.

    `label_from` is `folder` (of a member), or the ending of the members that hold the labels, such as `cls` for
    `0001.cls` beside `0001.jpg`. Raises BulkError where the file is damaged, compressed, or a label is missing.
    """
    with files.opened(url) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                # Members of one sample follow each other, and have a name in common up to the first dot.
                for sample, members in itertools.groupby((member for member in tar if member.isreg()), _sample):
                    yield from _of_sample(tar, url, shown, sample, list(members), label_from, suffixes)
                    tar.members = []  # type: ignore[attr-defined]  # or millions of them stay in memory
        except tarfile.TarError as error:
            raise BulkError(
                f"`{shown}` is no tar file that can be read where it is ({error}); compressed ones are to be unpacked."
            ) from error


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
        yield Item(f"{shown}/{member.name}", url, "tar", member.offset_data, member.size, label)


def _label(tar: tarfile.TarFile, shown: str, sample: str, members: list[tarfile.TarInfo], ending: str) -> str:
    for member in members:
        if member.name == f"{sample}.{ending}":
            file: Any = tar.extractfile(member)
            content: bytes = file.read(_MAX_LABEL_BYTES + 1)
            if label := content[:_MAX_LABEL_BYTES].decode("utf-8", "replace").strip():
                return label
    raise BulkError(f"`{shown}`: the image `{sample}` has no label: there is no `{sample}.{ending}` beside it.")
