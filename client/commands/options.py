"""Options that several commands share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from client.defaults import DEFAULT_MODEL, DEFAULT_SERVER, DEFAULT_TIMEOUT_S

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

DONE, SOME_FAILED, WRONG_INPUT, SERVER_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""What commands return, as the exit status."""


def server_options(function: FunctionT) -> FunctionT:
    """Add `--server`, `--timeout` and `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs."),
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help=f"How long to wait for each answer of the server; {DEFAULT_TIMEOUT_S:g} if not given.",
        ),
        click.option(
            "--server",
            envvar="LASTLAYER_SERVER",
            default=DEFAULT_SERVER,
            show_default=True,
            metavar="HOST:PORT",
            help="The classifier; also LASTLAYER_SERVER in the environment.",
        ),
    ):
        function = option(function)
    return function


def model_option(function: FunctionT) -> FunctionT:
    """Add `--model`."""
    return click.option("--model", default=DEFAULT_MODEL, show_default=True, metavar="NAME", help="The model.")(
        function
    )


def version_option(function: FunctionT) -> FunctionT:
    """Add `--version`."""
    return click.option(
        "--version", type=click.IntRange(min=1), metavar="N", help="A version; the model's default one if not given."
    )(function)


def images_option(function: FunctionT) -> FunctionT:
    """Add `--images`."""
    return click.option(
        "--images",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The folder that the paths in DATA are relative to; the one that DATA is in if not given.",
    )(function)


def data_argument(function: FunctionT) -> FunctionT:
    """Add DATA and `--images`."""
    return click.argument("data", type=click.Path(path_type=Path))(images_option(function))


def thumbnails_option(function: FunctionT) -> FunctionT:
    """Add `--no-thumbnails`."""
    return click.option(
        "--no-thumbnails", is_flag=True, help="Let the server keep no small pictures of the images, for reports."
    )(function)


def yes_option(function: FunctionT) -> FunctionT:
    """Add `--yes`."""
    return click.option("--yes", is_flag=True, help="Delete without asking.")(function)


def confirm(question: str, yes: bool) -> None:
    """Ask before something is deleted, unless that was said already; raises where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Deleting needs --yes where nobody can be asked.")
    click.confirm(question, abort=True, err=True)
