"""What `client sort` says: a table of folders, the first photos, and what stays where it is, in 80 columns."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from lastlayer.client.commands.images.sorting.photos import Photo, Scan
from lastlayer.client.commands.images.sorting.sorter import Wanted, undo_command
from lastlayer.client.commands.images.sorting.targets import Target
from lastlayer.client.commands.interface.notices import tell_failures
from lastlayer.client.commands.interface.style import tell
from lastlayer.client.errors import ImageError
from lastlayer.client.output.results import line, table
from lastlayer.client.results.predictions import Prediction
from lastlayer.rpc.observability.escape import escape

_FIRST: Final = 10
"""How many photos are shown; all others are counted."""

_CLASS_CELLS, _PHOTO_CELLS, _TARGET_CELLS = 32, 34, 30


@dataclass
class Tally:
    """What became of the photos, or would."""

    counts: Counter[str | None] = field(default_factory=Counter)
    """Photos that are sorted, by class; those that are rejected at None."""
    folders: dict[str | None, str] = field(default_factory=dict)
    """The folder of each of these classes."""
    first: list[tuple[str, str, float]] = field(default_factory=list)
    """The first photos: name, target and probability."""
    same: int = 0
    """Photos whose equal is at their target already."""
    sorted_before: int = 0
    failed: list[tuple[str, ImageError]] = field(default_factory=list)
    """The photos that cannot be read or sorted, and folders that cannot be read, with why."""

    def add(self, name: str, prediction: Prediction, target: Target) -> None:
        """Count a photo."""
        if target.same:
            self.same += 1
            return
        label = None if prediction.rejected else prediction.label
        self.counts[label] += 1
        self.folders[label] = target.path.split("/")[0]
        if len(self.first) < _FIRST:
            self.first.append((name, target.path, prediction.score))

    def folders_unreadable(self, folders: Sequence[tuple[str, str]]) -> None:
        """Count folders that cannot be read, each with why."""
        for name, why in folders:
            text = f"The folder cannot be read: {why}."
            self.failed.append((name, ImageError(text, code="INVALID_ARGUMENT", reason="FILE_UNREADABLE")))


def tell_left(found: Scan, tally: Tally) -> None:
    """Print, on standard error, what stays where it is, and which class goes to a folder of another name."""
    tell_failures(tally.failed)
    for names, what, whats in (
        (found.others, "file is no image", "files are no images"),
        (found.links, "is a link", "are links"),
        (found.sorted_already, "folder has sorted photos", "folders have sorted photos"),
    ):
        if names:
            shown = ", ".join(map(escape, names[:3])) + (", …" if len(names) > 3 else "")
            it = f"{what}, and stays as it is" if len(names) == 1 else f"{whats}, and stay as they are"
            tell("Note", f"{len(names):,} {it}: {shown}")
    for label in tally.counts:
        if label is not None and tally.folders[label] != label:
            tell("Note", f"the class `{escape(label)}` goes to the folder `{escape(tally.folders[label])}`.")


def print_summary(out: Console, tally: Tally, wanted: Wanted, into: Path, *, done: bool) -> None:
    """Print how many photos go where, the first of them, and what to do next."""
    grid = table("class", "folder", "photos", text_columns=2)
    for label, count in sorted(tally.counts.items(), key=lambda entry: (entry[0] is None, entry[0] or "")):
        shown = Text("(rejected)", "yellow") if label is None else Text(shorten(label, _CLASS_CELLS))
        grid.add_row(shown, Text(f"{shorten(tally.folders[label], _CLASS_CELLS)}/"), f"{count:,}")
    photos = table("photo", "goes to", "score", text_columns=2)
    for name, target, score in tally.first:
        cells = (shorten(name, _PHOTO_CELLS, end=True), shorten(target, _TARGET_CELLS, end=True))
        photos.add_row(*map(Text, cells), f"{score:.4f}")
    if tally.counts:
        out.print(grid)
        out.print(photos)
    if more := tally.counts.total() - len(tally.first):
        line(out, f"… and {more:,} more")
    did = "moved" if wanted.move else "copied"
    parts = [f"{tally.counts.total():,} {did if done else f'to be {did}'}"]
    for count, what in (
        (tally.same, "there already"),
        (tally.sorted_before, "sorted before"),
        (len(tally.failed), "failed"),
    ):
        parts += [f"{count:,} {what}"] if count else []
    line(out, f"Version {wanted.version} of model {escape(wanted.model)}: {', '.join(parts)}")
    if done:
        line(out, f"To take it back: {escape(undo_command(into))}")
    elif tally.counts:
        line(out, "Nothing is done yet: add --yes to do it.")


def photo_json(photo: Photo, prediction: Prediction, target: Target) -> dict[str, Any]:
    """Return what is printed of a photo for programs."""
    return {
        "image": photo.name,
        "target": target.path,
        "label": prediction.label,
        "score": prediction.score,
        "rejected": prediction.rejected,
        "sha256": photo.sha256,
        "same": target.same,
    }


def summary_json(found: Scan, tally: Tally, wanted: Wanted, into: Path, *, done: bool) -> dict[str, Any]:
    """Return what is printed of all photos for programs, after them."""
    return {
        "into": str(into),
        "model": wanted.model,
        "version": wanted.version,
        "move": wanted.move,
        "done": done,
        "folders": {tally.folders[label]: count for label, count in tally.counts.items()},
        "same": tally.same,
        "sorted_before": tally.sorted_before,
        "failed": len(tally.failed),
        "others": found.others,
        "links": found.links,
        "sorted_folders": found.sorted_already,
    }


def shorten(text: str, cells: int, *, end: bool = False) -> str:
    """Return text on one line, of at most so many cells of a terminal: its beginning, or its `end`."""
    shown = escape(text)
    if cell_len(shown) <= cells:
        return shown
    while cell_len(shown) > cells - 1:
        shown = shown[1:] if end else shown[:-1]
    return f"…{shown}" if end else f"{shown}…"
