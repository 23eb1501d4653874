"""Questions to whoever sits at the terminal."""

import sys

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


def confirm(question: str, yes: bool, *, what: str = "Deleting") -> None:
    """Ask before `what` is done, unless that was said already; raises where nobody can be asked."""
    if yes:
        return
    if not can_ask():
        raise click.UsageError(f"{what} needs --yes where nobody can be asked.")
    ask(question)
