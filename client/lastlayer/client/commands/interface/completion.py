"""What the shell completes: the names of models and datasets, asked of the server."""

import contextlib
from typing import Any, Final

import click

from lastlayer.client.commands.interface.server import Server

_TIMEOUT_S: Final = 2.0
"""How long a keystroke may wait for the server."""


def complete_model(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the models whose names begin so; none where the server does not answer."""
    return _names(context, parameter, incomplete, "list_models")


def complete_dataset(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the datasets whose names begin so; none where the server does not answer."""
    return _names(context, parameter, incomplete, "list_datasets")


def _names(context: click.Context, parameter: click.Parameter, incomplete: str, method: str) -> list[str]:  # noqa: ARG001
    from lastlayer.client.errors import ClientError

    found: list[Any] = []
    with contextlib.suppress(ClientError, click.ClickException):
        server = Server.from_options({**context.params, "timeout_s": _TIMEOUT_S})
        with server.client() as client:
            found = list(getattr(client, method)())
    return [resource.name for resource in found if resource.name.startswith(incomplete)]
