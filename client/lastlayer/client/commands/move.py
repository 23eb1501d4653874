"""`client move`: gives a dataset features of the network that is served now."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastlayer.client.commands.interface.completion import complete_dataset
from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import DONE, SOME_FAILED, server_options
from lastlayer.client.commands.interface.server import Server

if TYPE_CHECKING:
    from lastlayer.client.api import Client
    from lastlayer.client.results.datasets import MovedDataset

_EPILOG = """\b
Example:
  client move flowers photos/"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("dataset", shell_complete=complete_dataset)
@click.argument("folders", metavar="[FOLDER...]", nargs=-1, type=click.Path(path_type=Path))
@server_options
def move(dataset: str, folders: tuple[Path, ...], server: Server, as_json: bool) -> int:
    """Featurize DATASET anew, with the network that the featurizer serves now.

    Its images are searched for in each FOLDER and below it, the present folder if none is given, by what is in the
    files: names may have changed. Only images without such features are sent. A move that was interrupted goes on when
    it is run again.
    """
    from lastlayer.client.commands.interface.notices import tell_failures, tell_missing
    from lastlayer.client.commands.interface.questions import ask_folder, can_ask
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.results import console, print_moved

    searched = list(folders) or [Path()]
    with server.client() as client:
        moved = _move(client, dataset, searched)
        sent = moved.sent
        while moved.missing and not as_json and can_ask():
            tell_missing(dataset, moved.missing, searched)
            folder = ask_folder("Another folder to look in (nothing to leave it)")
            if folder is None:
                break
            searched.append(folder)
            moved = _move(client, dataset, searched)
            sent += moved.sent
        else:
            tell_missing(dataset, moved.missing, searched)
    tell_failures([(entry.image, entry.error) for entry in moved.failed])
    if as_json:
        print_json(result_json(moved))
    else:
        print_moved(console(), moved, sent)
    return SOME_FAILED if moved.missing or moved.failed else DONE


def _move(client: "Client", dataset: str, folders: Sequence[Path]) -> "MovedDataset":
    from lastlayer.client.output.progress import image_progress

    known = client.get_dataset(dataset)
    with image_progress("Moving", max(1, known.example_count + known.conflict_count + known.pool_count)) as tell_image:
        return client.move_dataset(dataset, folders, on_outcome=tell_image)
