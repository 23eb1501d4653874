"""`client sort`: photos into a folder a class, and back."""

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    model_option,
    server_options,
    version_option,
)
from lastlayer.client.commands.interface.server import Server
from lastlayer.client.commands.interface.style import tell

if TYPE_CHECKING:
    from lastlayer.client.api import Client
    from lastlayer.client.commands.images.sorting.photos import Photo, Scan
    from lastlayer.client.commands.images.sorting.show import Tally
    from lastlayer.client.commands.images.sorting.sorter import Preview, Wanted

_EPILOG = """\b
Example:
  client sort inbox/ --into sorted/
  client sort inbox/ --into sorted/ --yes
  client sort --undo sorted/"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="The folder in which each class gets a folder; it is made if need be, and may be in FOLDER.",
)
@click.option("--yes", is_flag=True, help="Do it; without, it is only shown.")
@click.option("--move", is_flag=True, help="Move the photos, in place of copying them.")
@model_option()
@version_option
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Sort into `unknown` where the best class is less probable than this; the version's own threshold if not"
    " given.",
)
@click.option(
    "--undo",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="In place of FOLDER: take back what was sorted into OUT.",
)
@server_options
def sort(
    folder: Path | None,
    into: Path | None,
    yes: bool,
    move: bool,
    model: str | None,
    version: int | None,
    threshold: float | None,
    undo: Path | None,
    server: Server,
    as_json: bool,
) -> int:
    """Sort the photos in FOLDER, and below it, into a folder for each class, and `unknown` for what the model rejects.

    Without --yes, shows what it would do. No file is ever overwritten: a name that is taken gets a number. What cannot
    be read, files that are no images, and links stay where they are. OUT/scores.tsv has the scores.

    A sorting that was interrupted goes on when it is run again. --undo takes back what was not changed since.
    """
    if undo is not None:
        for option, given in (("FOLDER", folder), ("--into", into), ("--move", move), ("--threshold", threshold)):
            if given not in (None, False):
                raise click.UsageError(f"--undo OUT goes without {option}.")
        return _undo(undo, as_json)
    if folder is None or into is None:
        raise click.UsageError("Give FOLDER and --into OUT, or --undo OUT.")
    from lastlayer.client.commands.images.sorting.journal import JOURNAL
    from lastlayer.client.commands.images.sorting.photos import scan
    from lastlayer.client.commands.images.sorting.show import Tally, print_summary, summary_json, tell_left
    from lastlayer.client.commands.images.sorting.sorter import Wanted, check_folders
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.errors import DataError, InvalidInputError
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.client.output.results import console

    name, number = said(None, model, version)
    found = scan(str(folder), str(into))
    taken = check_folders(found.root, into)
    if not found.photos and not os.path.lexists(into / JOURNAL):  # all may have been moved
        raise DataError([f"There are no images in `{folder}`, nor in folders below it."])
    tally = Tally()
    with server.client() as client:
        known = client.get_version(choose(client, name), number)
        if known.multi_label:
            raise InvalidInputError(
                f"Version {known.version} of {known.model} predicts several labels for an image; sorting needs a model "
                "with one class for each."
            )
        wanted = Wanted(known.model, known.version, known.classes, threshold, move)
        with _ready(into, wanted, taken, yes=yes) as sorter:
            _sort(client, found, sorter, wanted, tally, as_json)
    tally.folders_unreadable(found.unreadable)
    tell_left(found, tally)
    if as_json:
        print_json(summary_json(found, tally, wanted, into, done=yes))
    else:
        print_summary(console(), tally, wanted, into, done=yes)
    return SOME_FAILED if tally.failed else DONE


@contextlib.contextmanager
def _ready(out: Path, wanted: "Wanted", taken: list[str], *, yes: bool) -> "Iterator[Preview]":
    """Yield what sorts, or only says where photos would go; with the scores written when the block ends."""
    from lastlayer.client.commands.images.sorting.journal import Journal
    from lastlayer.client.commands.images.sorting.scores import write_scores
    from lastlayer.client.commands.images.sorting.sorter import Preview, Sorter, stopped, undo_command
    from lastlayer.client.errors import InvalidInputError, ServerError

    if not yes:
        try:
            with contextlib.ExitStack() as stack:
                journal: Journal | None = None
                with contextlib.suppress(FileNotFoundError):
                    journal = stack.enter_context(Journal(out, "r"))
                preview = Preview(out, journal, wanted, taken)
        except OSError as error:
            raise InvalidInputError(f"`{out}` cannot be read: {error.strerror}.") from error
        yield preview
        return
    made = not out.is_dir()
    try:
        if made:
            out.mkdir()
        journal = Journal(out, "a")
    except FileNotFoundError:
        raise InvalidInputError(f"There is no folder `{out.parent}` to make `{out.name}` in; make it first.") from None
    except OSError as error:
        raise InvalidInputError(f"`{out}` cannot be written: {error.strerror}.") from error
    with journal:
        try:
            sorter = Sorter(out, journal, wanted, taken, made=made)
        except OSError as error:
            raise stopped(out, error) from error
        try:
            yield sorter
        except BaseException as failure:
            with contextlib.suppress(OSError):
                write_scores(out, journal)
            if isinstance(failure, KeyboardInterrupt | ServerError):
                tell("Note", f"what was sorted stays so. Run the same command to go on, or {undo_command(out)}")
            raise
        try:
            write_scores(out, journal)
        except OSError as error:
            raise stopped(out, error) from error


def _sort(client: "Client", found: "Scan", sorter: "Preview", wanted: "Wanted", tally: "Tally", as_json: bool) -> None:
    """Sort the photos as their predictions come."""
    from lastlayer.client.commands.images.sorting.photos import Photo
    from lastlayer.client.commands.images.sorting.show import photo_json
    from lastlayer.client.errors import ImageError
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.progress import image_progress

    waiting: deque[Photo] = deque()
    with image_progress("Sorting", max(1, len(found.photos))) as tell_image:

        def unsorted() -> "Iterator[Photo]":
            for name in found.photos:
                photo = Photo(found.root, name)
                if sorter.is_done(photo):
                    tally.sorted_before += 1
                    tell_image(photo)
                    continue
                waiting.append(photo)
                yield photo

        predictions = client.predict_stream(
            unsorted(), model=wanted.model, version=wanted.version, top_k=1, threshold=wanted.threshold
        )
        for prediction in predictions:
            photo = waiting.popleft()
            try:
                if prediction.error is not None:
                    raise prediction.error
                target = sorter.sort(photo, prediction)
            except ImageError as error:
                tally.failed.append((photo.name, error))
                if as_json:
                    print_json({"image": photo.name, "error": result_json(error)})
            else:
                tally.add(photo.name, prediction, target)
                if as_json:
                    print_json(photo_json(photo, prediction, target))
            tell_image(photo)


def _undo(out: Path, as_json: bool) -> int:
    from lastlayer.client.commands.images.sorting.journal import Journal
    from lastlayer.client.commands.images.sorting.sorter import undo_command
    from lastlayer.client.commands.images.sorting.undo import undo
    from lastlayer.client.commands.interface.notices import tell_failures
    from lastlayer.client.errors import ImageError, InvalidInputError, NotFoundError
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.client.output.progress import image_progress
    from lastlayer.rpc.observability.escape import escape

    try:
        try:
            journal = Journal(out, "r+")
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"Nothing was sorted into `{out}`, or it was taken back already.") from None
        with journal, image_progress("Taking back", max(1, journal.sorted_count)) as tell_image:
            undone = undo(out, journal, tell_image)
    except OSError as error:
        raise InvalidInputError(
            f"`{error.filename or out}` cannot be written: {error.strerror}. What is left is taken back when you run"
            f" this again: {undo_command(out)}"
        ) from error
    if as_json:
        left = [{"path": path, "reason": why} for path, why in undone.left]
        print_json({"out": str(out), "taken_back": undone.count, "gone": undone.gone, "left": left})
    else:
        tell_failures([(path, ImageError(f"It is left there: {why}.")) for path, why in undone.left])
        one, several = ("photo moved back", "photos moved back") if undone.moved else ("copy deleted", "copies deleted")
        parts = [f"{undone.count:,} {one if undone.count == 1 else several}"]
        parts += [f"{undone.gone:,} gone already"] if undone.gone else []
        parts += [f"{len(undone.left):,} left"] if undone.left else []
        click.echo(f"{escape(str(out))}: {', '.join(parts)}")
    return SOME_FAILED if undone.left else DONE
