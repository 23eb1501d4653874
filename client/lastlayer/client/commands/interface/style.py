"""Sentences on standard error; their first word is coloured on a terminal, unless NO_COLOR is set."""

import os
from typing import Final

import click

_COLOURS: Final = {"Error": "red", "Failed": "red", "Note": "yellow", "Next": "green"}


def tell(kind: str, text: str) -> None:
    """Print a sentence on standard error, after what kind it is of, such as `Error`."""
    word = f"{kind}:"
    if not os.environ.get("NO_COLOR"):
        word = click.style(word, fg=_COLOURS[kind], bold=True)  # which `echo` takes out where there is no terminal
    click.echo(f"{word} {text}", err=True)
