"""Takes back what was sorted, as far as nothing was changed since."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lastlayer.client.commands.images.sorting.files import Content, SourceError, move_file
from lastlayer.client.commands.images.sorting.journal import DONE, RETURNING, SAME, UNDONE, Entry, Journal
from lastlayer.client.commands.images.sorting.scores import remove_scores, write_scores
from lastlayer.client.commands.images.sorting.sorter import settle


@dataclass
class Undone:
    """What was taken back, and what was not."""

    moved: bool
    """Whether the photos had been moved, and not copied."""
    count: int = 0
    """The photos that were taken back."""
    gone: int = 0
    """The photos that are not where they had been put."""
    left: list[tuple[str, str]] = field(default_factory=list)
    """The paths of what stays, and why."""


def undo(out: Path, journal: Journal, on_photo: Callable[[object], None]) -> Undone:
    """Take back what was sorted into a folder; the journal is deleted where nothing of it is left.

    `on_photo` is called for each photo, as it is begun. Where this is interrupted, it goes on when it is called again.
    Raises OSError where a folder cannot be written to.
    """
    header = journal.header
    if header is None:  # ended before anything was done
        journal.remove()
        return Undone(moved=False)
    undone = Undone(header.move)
    settle(out, journal)
    for entry in journal.entries(DONE, last_first=True):
        on_photo(entry)
        if not os.path.lexists(out / entry.target):
            undone.gone += 1
        elif why := (_move_back if header.move else _delete_copy)(out, journal, entry):
            undone.left.append((str(out / entry.target), why))
            continue
        else:
            undone.count += 1
        journal.end(entry.number, UNDONE)
    for number, state in enumerate(journal.states):
        if state == SAME:
            journal.end(number, UNDONE)
    journal.sync()
    tables = remove_scores(out, journal)
    undone.left += [(str(out / name), "it was changed since") for name in tables]
    (out / f".unfinished-{header.token}-scores").unlink(missing_ok=True)
    for name in journal.made:
        with contextlib.suppress(OSError):  # it is not empty, or gone
            (out / name).rmdir()
    if DONE in journal.states:
        write_scores(out, journal)
        return undone
    journal.remove()
    if header.made:
        with contextlib.suppress(OSError):
            out.rmdir()
    return undone


def _delete_copy(out: Path, journal: Journal, entry: Entry) -> str:  # noqa: ARG001 - as `_move_back`
    """Delete a copy; return why it stays, if so."""
    content = Content(entry.sha256, entry.size)
    target = out / entry.target
    if not content.is_at(target):
        return "it was changed since"
    if not content.is_at(Path(entry.source)):
        return f"the photo that it is a copy of, `{entry.source}`, was changed since, or is gone"
    target.unlink()
    return ""


def _move_back(out: Path, journal: Journal, entry: Entry) -> str:
    """Move a photo back; return why it stays, if so."""
    content = Content(entry.sha256, entry.size)
    source, target = Path(entry.source), out / entry.target
    if not content.is_at(target):
        return "it was changed since"
    if content.is_at(source):  # somebody has put it back
        target.unlink()
        return ""
    if os.path.lexists(source):
        return f"something else is at `{source}` now"
    journal.end(entry.number, RETURNING)
    try:
        source.parent.mkdir(parents=True, exist_ok=True)
        unfinished = source.with_name(journal.unfinished(entry.number))
        move_file(target, source, unfinished, content, target.lstat().st_mtime_ns)
    except SourceError as error:
        why = str(error)
    except OSError as error:
        why = f"`{source}` cannot be written: {error.strerror}"
    else:
        return ""
    journal.end(entry.number, DONE)
    return why
