"""The table of scores: a line for each photo that was sorted, made anew from the journal."""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lastlayer.client.commands.images.sorting.files import rename
from lastlayer.client.commands.images.sorting.journal import DONE, SAME, Journal
from lastlayer.client.commands.images.sorting.names import numbered
from lastlayer.rpc.observability.escape import escape

SCORES: Final = "scores.tsv"
_COLUMNS: Final = ("path", "target", "class", "probability", "rejected", "sha256")


def write_scores(out: Path, journal: Journal) -> None:
    """Write the table of what is sorted, in place of the one before.

    A table that was changed since it was written stays, and the new one gets a number. Raises OSError.
    """
    assert journal.header is not None  # noqa: S101 - photos were sorted
    unfinished = out / f".unfinished-{journal.header.token}-scores"
    found = hashlib.sha256()
    try:
        with unfinished.open("wb") as file:
            for line in _lines(journal):
                found.update(line)
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        for number in itertools.count(1):
            name = numbered(SCORES, number)
            ours = _is_ours(out / name, journal)
            if not ours and os.path.lexists(out / name):
                continue
            journal.note_scores(name, found.hexdigest())
            if ours:
                unfinished.replace(out / name)
                break
            with contextlib.suppress(FileExistsError):  # somebody was faster
                rename(unfinished, out / name)
                break
    finally:
        unfinished.unlink(missing_ok=True)


def remove_scores(out: Path, journal: Journal) -> list[str]:
    """Delete the tables of scores; return the names of those that were changed since, which stay. Raises OSError."""
    names = sorted({name for name, _ in journal.scores if (out / name).is_file()})
    for name in names:
        if _is_ours(out / name, journal):
            (out / name).unlink()
    return [name for name in names if (out / name).is_file()]


def _is_ours(path: Path, journal: Journal) -> bool:
    """Return whether a file is a table as it was written, or begun."""
    if path.is_symlink() or not path.is_file():
        return False
    if not path.stat().st_size:  # its name had been taken, and nothing more
        return any(path.name == name for name, _ in journal.scores)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return (path.name, found) in journal.scores


def _lines(journal: Journal) -> Iterator[bytes]:
    yield _line(*_COLUMNS)
    for entry in journal.entries(DONE, SAME):
        rejected = "true" if entry.rejected else "false"
        yield _line(entry.source, entry.target, entry.label, f"{entry.probability:.6f}", rejected, entry.sha256)


def _line(*cells: str) -> bytes:
    return ("\t".join(map(escape, cells)) + "\n").encode("utf-8")
