"""What commands say on standard error: what was noted about the input, and which images failed."""

from collections.abc import Iterable

import click

from lastlayer.client.data.labelled import Data
from lastlayer.client.errors import ImageError
from lastlayer.client.output.escape import shown


def tell_notes(data: Data, trimmed: int) -> None:
    """Print what a user should know of how the data were read."""
    for note in data.notes:
        click.echo(f"Note: {shown(note)}", err=True)
    if trimmed:
        labels = "1 label" if trimmed == 1 else f"{trimmed} labels"
        click.echo(f"Note: {labels} had white space around, which was removed.", err=True)


def tell_failures(failures: Iterable[tuple[str, ImageError | None]]) -> None:
    """Print a line for each image that failed: its name and why."""
    for name, error in failures:
        if error is not None:
            click.echo(f"Failed: {shown(name)}: {shown(error.message)}", err=True)
