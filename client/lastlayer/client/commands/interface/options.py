"""Options that several commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from lastlayer.client.commands.interface.completion import complete_dataset, complete_model
from lastlayer.client.commands.interface.help import ConnectionOption
from lastlayer.client.commands.interface.server import Server
from lastlayer.client.transport.defaults import DEFAULT_MODEL, DEFAULT_SERVER, DEFAULT_TIMEOUT_S, VIEWS

MODEL_VARIABLE: Final = "LASTLAYER_MODEL"
"""The environment's variable that names the model, and the dataset that is called like it."""

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

SERVER_OPTIONS = ("server", "timeout_s", "tls", "tls_ca", "tls_cert", "tls_key", "token", "token_file")
"""The names of the options that become a `Server`."""

DONE, SOME_FAILED, WRONG_INPUT, SERVER_FAILED, INTERRUPTED, CUT_SHORT = 0, 1, 2, 3, 130, 141
"""What commands return, as the exit status."""


def server_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add `--json` and what tells the server and how to call it, which comes as the argument `server`."""

    @functools.wraps(function)
    def with_server(
        *arguments: Any,
        **options: Any,
    ) -> int:
        others = {name: value for name, value in options.items() if name not in SERVER_OPTIONS}
        return function(*arguments, server=Server.from_options(options), **others)

    decorated: Callable[..., int] = with_server
    file = click.Path(path_type=Path)
    connection_option = functools.partial(click.option, cls=ConnectionOption)
    for option in (
        connection_option(
            "--token-file",
            envvar="LASTLAYER_TOKEN_FILE",
            type=file,
            metavar="FILE",
            help="The file with your token.",
        ),
        connection_option(
            "--token",
            envvar="LASTLAYER_TOKEN",
            metavar="TOKEN",
            help="Your token; others on this machine can see it here, but not in LASTLAYER_TOKEN.",
        ),
        connection_option(
            "--tls-key", envvar="LASTLAYER_TLS_KEY", type=file, metavar="FILE", help="The key of --tls-cert, PEM."
        ),
        connection_option(
            "--tls-cert",
            envvar="LASTLAYER_TLS_CERT",
            type=file,
            metavar="FILE",
            help="Your certificate, PEM, where the server wants to see one.",
        ),
        connection_option(
            "--tls-ca",
            envvar="LASTLAYER_TLS_CA",
            type=file,
            metavar="FILE",
            help="Use TLS; FILE, PEM, has the CA of the server's certificate.",
        ),
        connection_option("--tls", envvar="LASTLAYER_TLS", is_flag=True, help="Use TLS; public CAs are trusted."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs."),
        connection_option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help=f"How long to wait for each answer of the server; {DEFAULT_TIMEOUT_S:g} if not given.",
        ),
        connection_option(
            "--server",
            envvar="LASTLAYER_SERVER",
            default=DEFAULT_SERVER,
            show_default=True,
            metavar="HOST:PORT[,...]",
            help="The classifier, or several on one store, by IP addresses; also LASTLAYER_SERVER in the environment.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def model_option(*, existing: bool = True) -> Callable[[FunctionT], FunctionT]:
    """Add `--model`, which names a model, `existing` or new; the function gets None where nothing is said."""
    unsaid = "the only one there is, or `default`" if existing else "`default`"
    return click.option(
        "--model",
        envvar=MODEL_VARIABLE,
        metavar="NAME[:VERSION]" if existing else "NAME",
        shell_complete=complete_model,
        help=f"The model; LASTLAYER_MODEL, or {unsaid}, if not given.",
    )


def model_argument(name: str = "named", *, required: bool = False) -> Callable[[FunctionT], FunctionT]:
    """Add MODEL, which may have a version: MODEL:2."""
    metavar = "MODEL[:VERSION]" if required else "[MODEL[:VERSION]]"
    return click.argument(name, metavar=metavar, required=required, shell_complete=complete_model)


def dataset_option(function: FunctionT) -> FunctionT:
    """Add `--dataset`."""
    return click.option(
        "--dataset",
        envvar=MODEL_VARIABLE,
        default=DEFAULT_MODEL,
        metavar="NAME",
        shell_complete=complete_dataset,
        help="The dataset; LASTLAYER_MODEL, or `default`, if not given.",
    )(function)


def version_option(function: FunctionT) -> FunctionT:
    """Add `--version`."""
    return click.option(
        "--version", type=click.IntRange(min=1), metavar="N", help="A version; the model's default one if not given."
    )(function)


def data_options(function: FunctionT) -> FunctionT:
    """Add `--images` and `--label`, which say more of DATA."""
    images = click.option(
        "--images",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The folder that the paths in DATA are relative to, or with the images of a JSON file; the one that DATA "
        "is in if not given.",
    )
    label = click.option(
        "--label",
        default="",
        metavar="LABEL",
        help="The label of all images of DATA, which is then a folder or zip of images, or one image.",
    )
    return images(label(function))


def multi_label_option(function: FunctionT) -> FunctionT:
    """Add `--multi-label`."""
    return click.option(
        "--multi-label",
        is_flag=True,
        help="An image of DATA may have several labels, or none: in several sub-folders or none, on several lines, or "
        "with `|` between the labels of a line.",
    )(function)


def data_argument(function: FunctionT) -> FunctionT:
    """Add DATA with its options."""
    return click.argument("data", type=click.Path(path_type=Path))(data_options(function))


def thumbnails_option(function: FunctionT) -> FunctionT:
    """Add `--no-thumbnails`."""
    return click.option(
        "--no-thumbnails",
        is_flag=True,
        help="Do not let the server keep small pictures of the images, which reports show.",
    )(function)


def views_option(function: FunctionT) -> FunctionT:
    """Add `--views`; the function gets a tuple of names, empty where nothing is said."""
    return click.option(
        "--views",
        default="",
        callback=_read_views,
        metavar="VIEW,...",
        help=f"What of the images is featurized, for training to choose from: {', '.join(VIEWS)}. If not given, a new "
        "dataset has the crop, and of a sample the whole image, by which training says what that would bring.",
    )(function)


def _read_views(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    views = tuple(dict.fromkeys(view for part in text.split(",") if (view := part.strip())))
    for view in views:
        if view not in VIEWS:
            raise click.BadParameter(f"there is no view `{view[:100]}`; there are {', '.join(VIEWS)}.")
    return views


def yes_option(what: str = "Delete") -> Callable[[FunctionT], FunctionT]:
    """Add `--yes`, which does `what` without asking."""
    return click.option("--yes", is_flag=True, help=f"{what} without asking.")
