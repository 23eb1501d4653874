"""Labelled images out of a zip archive: a folder for each class, or a project of Teachable Machine."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lastlayer.client.data.folders import is_image_name, order_splits
from lastlayer.client.data.imports import teachable_machine
from lastlayer.client.data.imports.exported import Exported
from lastlayer.client.data.imports.members import Archive, Member, parts_of
from lastlayer.client.errors import DataError


def read_archive(path: Path) -> Exported:
    """Return the labelled images of an archive; raises `DataError` where it says no classes."""
    archive = Archive(path)
    return teachable_machine.read_project(archive) or _read_folders(archive)


def read_images(path: Path, instead: str) -> tuple[list[Member], list[Member]]:
    """Return all images of an archive whatever their folders, and all other files.

    Raises `DataError`, also where it is a project that says the classes of its images; `instead` is what to do then.
    """
    archive = Archive(path)
    if teachable_machine.read_project(archive) is not None:
        raise DataError([f"`{path}` says the labels itself; {instead}."])
    return _split(archive.members())


def _read_folders(archive: Archive) -> Exported:
    images, others = _split(archive.members())
    if not images:
        raise DataError([f"`{archive.path}` is a zip archive without images."])
    placed = [(parts_of(member.name), member) for member in images]
    depth = _depth([parts for parts, _ in placed])
    found = [(parts[depth], member, "/".join(parts[depth:])) for parts, member in placed if len(parts) > depth + 1]
    loose = [member.name for parts, member in placed if len(parts) == depth + 1]
    if not found:
        text = (
            f"`{archive.path}` has its images in no folder, which would say their class. Where all show the same, say"
            " what with --label, such as --label cat. Otherwise give each class a folder in the archive."
        )
        raise DataError([text])
    classes = {label for label, _, _ in found}
    if splits := order_splits(sorted(classes)):
        text = (
            f"`{archive.path}` has the folders {' and '.join(splits)}, which are parts of a data set and no classes:"
            " unpack it, train on the first, and evaluate on the last."
        )
        raise DataError([text])
    top = placed[0][0][:depth]
    listed = {parts[depth] for parts in archive.folders() if len(parts) > depth and parts[:depth] == top}
    return Exported(
        tuple(sorted(found, key=lambda entry: (entry[0], entry[2]))),
        skipped=(*loose, *(member.name for member in others)),
        empty=tuple(sorted(listed - classes)),
    )


def _depth(paths: Sequence[tuple[str, ...]]) -> int:
    """Return how many folders all images are in before the folders of their classes."""
    depth = 0
    while (
        min(map(len, paths)) > depth + 1
        and len({path[depth] for path in paths}) == 1
        and max(map(len, paths)) > depth + 2
    ):
        depth += 1
    return depth


def _split(members: Iterable[Member]) -> tuple[list[Member], list[Member]]:
    images: list[Member] = []
    others: list[Member] = []
    for member in members:
        (images if is_image_name(member.name) else others).append(member)
    return images, others
