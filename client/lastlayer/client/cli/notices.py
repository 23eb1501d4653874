"""What commands say on standard error: how the input was read, what is wrong in it, and which images failed."""

from collections.abc import Sequence
from typing import Final

import click

from lastlayer.client.data.labelled import Data
from lastlayer.client.errors import ImageError
from lastlayer.client.output.escape import shown
from lastlayer.client.results import ExampleOutcome

SHOWN_PROBLEMS: Final = 10
"""How many things that are wrong are printed before the others are only counted."""


def tell_notes(data: Data, trimmed: int) -> None:
    """Print what a user should know of how the data were read."""
    for note in data.notes:
        click.echo(f"Note: {shown(note)}", err=True)
    if trimmed:
        labels = "1 label" if trimmed == 1 else f"{trimmed} labels"
        click.echo(f"Note: {labels} had white space around, which was removed.", err=True)


def tell_relabelled(kept: Sequence[ExampleOutcome]) -> None:
    """Print which images keep the label that a person gave them, once for all."""
    if kept:
        named = ", ".join(f"{shown(outcome.image)} ({shown(outcome.label)})" for outcome in kept[:SHOWN_PROBLEMS])
        images = "1 image keeps the label" if len(kept) == 1 else f"{len(kept):,} images keep the label"
        more = ", …" if len(kept) > SHOWN_PROBLEMS else ""
        click.echo(f"Note: {images} that `client relabel` set, whatever DATA says: {named}{more}", err=True)


def tell_failures(failures: Sequence[tuple[str, ImageError | None]]) -> None:
    """Print a line for each of the first images that failed, its name and why, and how many more there are."""
    for name, error in failures[:SHOWN_PROBLEMS]:
        if error is not None:
            click.echo(f"Failed: {shown(name)}: {shown(error.message)}", err=True)
    if more := len(failures[SHOWN_PROBLEMS:]):
        click.echo(f"Failed: {more:,} more; --json lists all of them.", err=True)


def tell_problems(problems: Sequence[str]) -> None:
    """Print the first of the things that are wrong with the data, a line each, and how many more there are."""
    for problem in problems[:SHOWN_PROBLEMS]:
        click.echo(f"Error: {shown(problem)}", err=True)
    if more := len(problems[SHOWN_PROBLEMS:]):
        click.echo(f"Error: {more:,} more like {'this' if more == 1 else 'these'}.", err=True)
