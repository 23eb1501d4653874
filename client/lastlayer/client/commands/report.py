"""`client report`: writes all that is known of a version of a model as one page."""

import re
from pathlib import Path
from typing import Final

import click

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    model_argument,
    model_option,
    server_options,
    version_option,
)
from lastlayer.client.commands.interface.server import Server

_EPILOG = """\b
Example:
  client report flowers -o report.html"""

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What names of models are made of; they are safe as parts of a file's name."""


@click.command(cls=Command, epilog=_EPILOG)
@model_argument()
@model_option()
@version_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page to write; MODEL-VERSION.html, here, if not given.",
)
@server_options
def report(
    named: str | None,
    model: str | None,
    version: int | None,
    output: Path | None,
    server: Server,
    as_json: bool,
) -> int:
    """Write a page about MODEL: how good it is, and why to trust it.

    It has everything in it and needs no network: what to expect on new images, confusions, precision and recall,
    reliability, what the search tried, and the worst mistakes and suspicious labels with activation maps.
    """
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.errors import ClientError, InvalidInputError
    from lastlayer.client.output.files import write_file
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.rpc.observability.escape import escape

    name, number = said(named, model, version)
    if output is not None:
        _check(output)
    elif name is not None and not _FILE_NAME.fullmatch(name):
        raise InvalidInputError(f"`{name}` cannot be part of a file's name; name the file with -o.")
    try:
        from lastlayer.client.report.gather import gather
        from lastlayer.client.report.page import render
    except ImportError as error:
        raise ClientError(
            "A report needs Jinja, Matplotlib and Pillow, which are not all installed: "
            "`pip install 'lastlayer[report]'` does that."
        ) from error
    with server.client() as client:
        chosen = choose(client, name)
        if output is None and not _FILE_NAME.fullmatch(chosen):
            raise InvalidInputError(f"`{chosen}` cannot be part of a file's name; name the file with -o.")
        gathered = gather(client, chosen, number, say=lambda message: click.echo(f"Report: {message}", err=True))
    known = gathered.version
    # As the user named the model: what the server calls it is no path of ours.
    target = output or Path(f"{chosen}-{known.version}.html")
    page = render(gathered).encode("utf-8", "replace")
    write_file(page, target)
    if as_json:
        print_json({"model": known.model, "version": known.version, "report": str(target), "bytes": len(page)})
    else:
        click.echo(f"Written: {escape(str(target))} ({len(page) / 1e6:.1f} MB)")
    return DONE


def _check(target: Path) -> None:
    """Refuse what cannot be written, before anything is asked of the server."""
    from lastlayer.client.errors import InvalidInputError

    if target.is_dir():
        raise InvalidInputError(f"`{target}` is a folder; name a file with -o, such as {target / 'report.html'}.")
    if not target.parent.is_dir():
        raise InvalidInputError(f"There is no folder `{target.parent}` to write `{target.name}` in.")
