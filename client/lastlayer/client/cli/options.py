"""Options that several commands share."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lastlayer.client.transport.defaults import DEFAULT_MODEL, DEFAULT_SERVER, DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from lastlayer.client.api import Client

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

DONE, SOME_FAILED, WRONG_INPUT, SERVER_FAILED, INTERRUPTED, CUT_SHORT = 0, 1, 2, 3, 130, 141
"""What commands return, as the exit status."""


@dataclass(frozen=True)
class Server:
    """The server that a command is for."""

    address: str
    """`host:port`."""
    timeout_s: float | None
    """How long to wait for each answer; None where not given."""
    tls: bool
    ca: Path | None
    certificate: Path | None
    key: Path | None
    token: str | None
    token_file: Path | None

    def client(self) -> "Client":
        """Return a client of the server; raises `InvalidInputError`."""
        from lastlayer.client.api import Client
        from lastlayer.client.transport.channel import Security

        if not self.tls and self.ca is None:
            for option, given in (
                ("--tls-cert", self.certificate),
                ("--tls-key", self.key),
                ("--token", self.token),
                ("--token-file", self.token_file),
            ):
                if given is not None:
                    raise click.UsageError(f"{option} goes with --tls-ca FILE, or with --tls for public CAs.")
            security = None
        else:
            token = self.token if self.token is not None else self.token_file
            security = Security(ca=self.ca, certificate=self.certificate, key=self.key, token=token)
        return Client(self.address, timeout_s=self.timeout_s or DEFAULT_TIMEOUT_S, security=security)


def server_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add `--json` and what tells the server and how to call it, which comes as the argument `server`."""

    @functools.wraps(function)
    def with_server(
        *arguments: Any,
        server: str,
        timeout_s: float | None,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        token: str | None,
        token_file: Path | None,
        **others: Any,
    ) -> int:
        target = Server(server, timeout_s, tls, tls_ca, tls_cert, tls_key, token, token_file)
        return function(*arguments, server=target, **others)

    decorated: Callable[..., int] = with_server
    file = click.Path(path_type=Path)
    for option in (
        click.option(
            "--token-file",
            envvar="LASTLAYER_TOKEN_FILE",
            type=file,
            metavar="FILE",
            help="The file with your token.",
        ),
        click.option(
            "--token",
            envvar="LASTLAYER_TOKEN",
            metavar="TOKEN",
            help="Your token; others on this machine can see it here, but not in LASTLAYER_TOKEN.",
        ),
        click.option(
            "--tls-key", envvar="LASTLAYER_TLS_KEY", type=file, metavar="FILE", help="The key of --tls-cert, PEM."
        ),
        click.option(
            "--tls-cert",
            envvar="LASTLAYER_TLS_CERT",
            type=file,
            metavar="FILE",
            help="Your certificate, PEM, where the server wants to see one.",
        ),
        click.option(
            "--tls-ca",
            envvar="LASTLAYER_TLS_CA",
            type=file,
            metavar="FILE",
            help="Use TLS; FILE, PEM, has the CA of the server's certificate.",
        ),
        click.option("--tls", envvar="LASTLAYER_TLS", is_flag=True, help="Use TLS; public CAs are trusted."),
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
        decorated = option(decorated)
    return decorated


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


def data_options(function: FunctionT) -> FunctionT:
    """Add `--images` and `--label`, which say more of DATA."""
    images = click.option(
        "--images",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="The folder that the paths in DATA are relative to; the one that DATA is in if not given.",
    )
    label = click.option(
        "--label", default="", metavar="LABEL", help="What all images of DATA show, a folder of images or an image."
    )
    return images(label(function))


def data_argument(function: FunctionT) -> FunctionT:
    """Add DATA with its options."""
    return click.argument("data", type=click.Path(path_type=Path))(data_options(function))


def thumbnails_option(function: FunctionT) -> FunctionT:
    """Add `--no-thumbnails`."""
    return click.option(
        "--no-thumbnails", is_flag=True, help="Let the server keep no small pictures of the images, for reports."
    )(function)


def yes_option(function: FunctionT) -> FunctionT:
    """Add `--yes`."""
    return click.option("--yes", is_flag=True, help="Delete without asking.")(function)
