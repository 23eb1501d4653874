"""Which model a command is for, however it was named."""

from typing import TYPE_CHECKING

import click

from lastlayer.client.transport.defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from lastlayer.client.api import Client


def parse(name: str) -> tuple[str, int]:
    """Return a model and the number of its version, 0 for the default one; raises `InvalidInputError`."""
    from lastlayer.client.errors import InvalidInputError

    model, colon, number = name.partition(":")
    if colon and not (number.isascii() and number.isdigit() and int(number)):
        raise InvalidInputError(f"`{name}` names no version; give MODEL or MODEL:NUMBER, such as {model}:1.")
    return model, int(number or 0)


def said(argument: str | None, option: str | None, version: int | None) -> tuple[str | None, int]:
    """Return the model, None where no word was said of it, and its version, 0 for the default one.

    A model is named by MODEL or `--model`, a version by MODEL:VERSION or `--version`: by one of them.
    """
    context = click.get_current_context()
    by_option = context.get_parameter_source("model") is click.core.ParameterSource.COMMANDLINE
    if argument is not None and by_option:
        raise click.UsageError("Name the model once: as MODEL or with --model.")
    name = argument or option
    model, number = parse(name) if name else (None, 0)
    if number and version:
        raise click.UsageError(f"Name the version once: as {name} or with --version.")
    return model, number or version or 0


def choose(client: "Client", model: str | None) -> str:
    """Return the model, the only one that the server has where none is said, or `default`."""
    from lastlayer.client.errors import AccessError

    if model is not None:
        return model
    try:
        names = [known.name for known in client.list_models()]
    except AccessError:  # a token for predictions alone
        return DEFAULT_MODEL
    return names[0] if len(names) == 1 else DEFAULT_MODEL
