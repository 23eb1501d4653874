"""Questions to whoever sits at the terminal."""

import sys
from pathlib import Path

import click


def can_ask() -> bool:
    """Return whether somebody can answer."""
    return sys.stdin is not None and sys.stdin.isatty()


class DeclinedError(Exception):
    """The answer was no."""


def ask(question: str) -> None:
    """Ask whether to go on; raises `DeclinedError` where the answer is no."""
    if not click.confirm(question, err=True):
        raise DeclinedError


def ask_folder(question: str) -> Path | None:
    """Return the folder that is typed, asked again while there is no such folder; None where nothing is typed."""
    while True:
        typed = click.prompt(question, default="", show_default=False, err=True).strip()
        if not typed:
            return None
        folder = Path(typed).expanduser()
        if folder.is_dir():
            return folder
        click.echo("There is no such folder.", err=True)


def confirm(question: str, yes: bool, *, what: str = "Deleting") -> None:
    """Ask before `what` is done, unless that was said already; raises where nobody can be asked."""
    if yes:
        return
    if not can_ask():
        raise click.UsageError(f"{what} needs --yes where nobody can be asked.")
    ask(question)
