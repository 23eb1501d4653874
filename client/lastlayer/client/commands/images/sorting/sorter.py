"""Sorts photos, each by its prediction; or says where each would go."""

import contextlib
import errno
import hashlib
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lastlayer.client.commands.images.sorting.files import Content, SourceError, copy_file, move_file
from lastlayer.client.commands.images.sorting.journal import (
    BEGUN,
    DONE,
    FAILED,
    RETURNING,
    SAME,
    UNDONE,
    Entry,
    Header,
    Journal,
)
from lastlayer.client.commands.images.sorting.names import name_folders
from lastlayer.client.commands.images.sorting.photos import Photo
from lastlayer.client.commands.images.sorting.scores import SCORES
from lastlayer.client.commands.images.sorting.targets import Target, Targets
from lastlayer.client.errors import FailedPreconditionError, ImageError, InvalidInputError, ServerError
from lastlayer.client.results.predictions import Prediction

_NAME_ERRORS: Final = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
"""What file systems say of names that they cannot have: one photo fails, and not all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How photos are to be sorted."""

    model: str
    version: int
    classes: Sequence[str]
    threshold: float | None
    move: bool


def check_folders(root: str, out: Path) -> list[str]:
    """Return the names in `out` that no class may have, as they lead to the photos; raises `InvalidInputError`."""
    place = os.path.realpath(out)
    if place == root or (out.exists() and os.path.samefile(root, out)):  # noqa: PTH121 - letter case may differ
        raise InvalidInputError(
            f"`{out}` is the folder with the photos itself; name another one, such as {out / 'sorted'}."
        )
    inside = Path(root)
    return [inside.relative_to(place).parts[0]] if inside.is_relative_to(place) else []


def choose_folders(
    out: Path, wanted: Wanted, taken: Collection[str], given: Mapping[str | None, str]
) -> dict[str | None, str]:
    """Return the name of each class's folder, and at None that of the rejected photos; raises OSError."""
    folders: list[str] = []
    others = [*taken, SCORES]
    with contextlib.suppress(FileNotFoundError), os.scandir(out) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
    folders = [name for name in folders if name not in taken]
    return name_folders(wanted.classes, given=given, folders=folders, taken=others)


class Preview:
    """Says where photos would go; changes nothing."""

    def __init__(self, out: Path, journal: Journal | None, wanted: Wanted, taken: Collection[str]) -> None:
        """`journal` is what was sorted into `out` already, `taken` are names in it that no class may have.

        Raises `FailedPreconditionError` where that was sorted in another way, and OSError.
        """
        self._out = out
        self._folders = choose_folders(out, wanted, taken, journal.folders if journal else {})
        self._targets = Targets(out)
        self._done: set[bytes] = set()
        if journal is None or journal.header is None:
            return
        _check_same(out, journal.header, wanted)
        for entry in journal.entries(DONE, SAME):
            folder = entry.target.split("/")[0]
            self._targets.know(folder, os.path.basename(entry.source), entry.sha256, entry.target)  # noqa: PTH119
            # Where a photo was moved away, another one of that name has come since.
            if not wanted.move or journal.states[entry.number] == SAME:
                self._done.add(_state(entry.source, entry.size, entry.mtime_ns))

    def is_done(self, photo: Photo) -> bool:
        """Return whether a photo was sorted already, and has not changed since."""
        return photo.look() and _state(photo.path, photo.size, photo.mtime_ns) in self._done

    def sort(self, photo: Photo, prediction: Prediction) -> Target:
        """Return where a photo would go; raises `ServerError` where it is of no class of the model."""
        return self._find(photo, self._folder(prediction), planned=True)

    def _folder(self, prediction: Prediction) -> str:
        label = None if prediction.rejected else prediction.label
        if label not in self._folders:
            raise ServerError(f"The server predicted `{label}`, which is no class of the model.", code="UNKNOWN")
        return self._folders[label]

    def _find(self, photo: Photo, folder: str, *, planned: bool = False) -> Target:
        name = os.path.basename(photo.name)  # noqa: PTH119
        return self._targets.find(folder, name, Content(photo.sha256, photo.size), planned=planned)


class Sorter(Preview):
    """Copies or moves photos, each of which is written into the journal first."""

    def __init__(self, out: Path, journal: Journal, wanted: Wanted, taken: Collection[str], *, made: bool) -> None:
        """Begin the journal, or go on with it; `made` is whether `out` was made for this. Raises as `Preview`."""
        if journal.header is None:
            journal.begin_sorting(wanted.model, wanted.version, wanted.threshold, move=wanted.move, made=made)
        else:
            _check_same(out, journal.header, wanted)
            settle(out, journal)
        super().__init__(out, journal, wanted, taken)
        self._journal = journal
        self._move = wanted.move

    def sort(self, photo: Photo, prediction: Prediction) -> Target:
        """Copy or move a photo, and return where it is.

        Raises `ImageError` where that fails by the photo's own fault, `InvalidInputError` where nothing can be written.
        """
        try:
            return self._sort(photo, prediction)
        except OSError as error:
            raise stopped(self._out, error) from error

    def _sort(self, photo: Photo, prediction: Prediction) -> Target:
        folder = self._folder(prediction)
        self._make_folder(None if prediction.rejected else prediction.label, folder)
        while True:
            target = self._find(photo, folder)
            entry = Entry(
                number=len(self._journal.states),
                source=photo.path,
                target=target.path,
                label=prediction.label,
                probability=prediction.score,
                rejected=prediction.rejected,
                sha256=photo.sha256,
                size=photo.size,
                mtime_ns=photo.mtime_ns,
            )
            if target.same:
                self._journal.note_same(entry)
                return target
            self._journal.begin(entry)
            try:
                self._put(entry)
            except FileExistsError:  # somebody was faster; there are further names
                self._journal.end(entry.number, FAILED)
            except SourceError as error:
                self._journal.end(entry.number, FAILED)
                raise _left(str(error)) from error
            except OSError as error:
                with contextlib.suppress(OSError):  # where the disk is full, this is, too: `settle` finds out
                    self._journal.end(entry.number, FAILED)
                if error.errno in _NAME_ERRORS:
                    raise _left(f"its name cannot be used in `{self._out}`: {error.strerror}") from error
                raise
            else:
                self._journal.end(entry.number, DONE)
                return target

    def _put(self, entry: Entry) -> None:
        content = Content(entry.sha256, entry.size)
        source, target = Path(entry.source), self._out / entry.target
        unfinished = target.with_name(self._journal.unfinished(entry.number))
        if self._move:
            move_file(source, target, unfinished, content, entry.mtime_ns)
        else:
            copy_file(source, target, unfinished, content)

    def _make_folder(self, label: str | None, name: str) -> None:
        path = self._out / name
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise InvalidInputError(f"`{path}` is no folder any more; put the folder back, or name another one.")
        if label not in self._journal.folders or not path.exists():
            self._journal.name_folder(label, name, made=not path.exists())
            path.mkdir(exist_ok=True)


def stopped(out: Path, error: OSError) -> InvalidInputError:
    """Return the error that says that a folder cannot be written to, and what to do."""
    return InvalidInputError(
        f"`{out}` cannot be written: {error.strerror or error}. Nothing is lost: run the same command again to go on"
        f" when it can be written, or take back what was done by `{undo_command(out)}`."
    )


def undo_command(out: Path) -> str:
    """Return what takes back what was sorted into a folder."""
    return shlex.join(["client", "sort", "--undo", str(out)])


def settle(out: Path, journal: Journal) -> None:
    """Find out what became of photos that were begun when the program ended, and finish or forget them.

    Raises OSError.
    """
    assert journal.header is not None  # noqa: S101 - photos come after it
    for entry in journal.entries(BEGUN, RETURNING):
        content = Content(entry.sha256, entry.size)
        begun = journal.states[entry.number] == BEGUN
        ends = Path(entry.source), out / entry.target
        source, target = ends if begun else reversed(ends)
        unfinished = target.with_name(journal.unfinished(entry.number))
        there = content.is_at(target)
        if there and journal.header.move and content.is_at(source):
            # It has two names, or was copied as a whole and not yet deleted.
            try:
                source.unlink()
            except OSError:
                target.unlink()
                there = False
        elif not there and content.size and _is_empty(target) and (content.is_at(source) or unfinished.exists()):
            target.unlink()  # its name had been taken, and nothing more
        unfinished.unlink(missing_ok=True)
        if begun:
            journal.end(entry.number, DONE if there else FAILED)
        else:
            journal.end(entry.number, UNDONE if there else DONE)


def _check_same(out: Path, header: Header, wanted: Wanted) -> None:
    """Raise `FailedPreconditionError` where photos were sorted in another way than is wanted now."""
    threshold = "" if header.threshold is None else f" --threshold {header.threshold:g}"
    if (header.model, header.version, header.threshold, header.move) != (
        wanted.model,
        wanted.version,
        wanted.threshold,
        wanted.move,
    ):
        raise FailedPreconditionError(
            f"`{out}` has photos that were sorted by version {header.version} of the model `{header.model}`; to go on,"
            f" give --model {header.model} --version {header.version}{threshold}{' --move' if header.move else ''}, or"
            f" take them back first: {undo_command(out)}"
        )


def _is_empty(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == 0


def _left(why: str) -> ImageError:
    return ImageError(f"The image is left where it is: {why}.", code="FAILED_PRECONDITION", reason="FILE_UNREADABLE")


def _state(path: str, size: int, mtime_ns: int) -> bytes:
    """Return a few bytes that stand for a file as it is now."""
    text = f"{path}\0{size}\0{mtime_ns}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16, usedforsecurity=False).digest()
