"""The commands of all programs as pages, from their parsers."""

import functools
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from typing import Final

import click

from lastlayer.client.commands.interface.help import ConnectionOption
from tools import ROOT

_ORDER: Final = ("lastlayer", "client", "featurizer", "classifier-svc", "studio")
"""As users meet them."""


@functools.cache
def programs() -> dict[str, click.Group]:
    """Return the command of each program, by its name."""
    scripts: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    found: dict[str, click.Group] = {}
    for name in sorted(scripts, key=_ORDER.index):
        module, _, function = scripts[name].partition(":")
        group = getattr(importlib.import_module(module), function)
        assert isinstance(group, click.Group)
        found[name] = group
    return found


def below(group: click.Group) -> dict[str, click.Command]:
    """Return the commands of a group, by their names; it may import each when it is asked for."""
    context = click.Context(group)
    return {name: command for name in group.list_commands(context) if (command := group.get_command(context, name))}


def summary(command: click.Command) -> str:
    """Return the first sentence of the help of a command."""
    return command.get_short_help_str(limit=1000)


def pages() -> dict[str, str]:
    """Return a page for each program, by its name."""
    return {name: "\n".join(_page(name, group)) for name, group in programs().items()}


def _page(name: str, group: click.Group) -> Iterator[str]:
    context = click.Context(group, info_name=name, **group.context_settings)
    yield f"# `{name}`\n"
    yield f"{_paragraphs(group.help)}\n"
    yield from _options(group, context)
    yield from _commands(group, context)
    yield from _connection(group)


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name, command in below(group).items():
        inner = click.Context(command, parent=context, info_name=name)
        path = inner.command_path
        yield f"## `{path}` {{ #{path.replace(' ', '-')} }}\n"
        usage = " ".join([path, *command.collect_usage_pieces(inner)])
        yield f"```text\n{usage}\n```\n"
        yield f"{_paragraphs(command.help)}\n"
        yield from _options(command, inner)
        if command.epilog:
            examples = [line.strip() for line in inspect.cleandoc(command.epilog).splitlines()[1:] if line.strip("\b ")]
            yield "\n".join(["```sh", *(line for line in examples if line != "Example:"), "```\n"])
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    own = [parameter for parameter in command.params if not isinstance(parameter, ConnectionOption)]
    records = [record for parameter in own if (record := parameter.get_help_record(context)) and record[1]]
    if records:
        yield "| option | meaning |\n| --- | --- |"
        for names, meaning in records:
            yield f"| {_code(names)} | {_escape(meaning)} |"
        yield ""
    if len(own) < len(command.params):
        yield "It also takes the options of the [connection](#connection).\n"


def _connection(group: click.Group) -> Iterator[str]:
    """Return the section on the options that are the same for all commands that call a server."""
    for command in below(group).values():
        context = click.Context(command)
        options = [parameter for parameter in command.params if isinstance(parameter, ConnectionOption)]
        if options:
            yield "## Connection\n"
            yield "Every command that calls the classifier takes these.\n\n| option | meaning |\n| --- | --- |"
            for names, meaning in filter(None, (option.get_help_record(context) for option in options)):
                yield f"| {_code(names)} | {_escape(meaning)} |"
            yield ""
            return


def _paragraphs(text: str | None) -> str:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text or ""))
    return "\n\n".join(_escape(" ".join(paragraph.replace("\b", "").split())) for paragraph in paragraphs)


def _code(text: str) -> str:
    return f"`{text}`"


def _escape(text: str) -> str:
    """Return the text with what is neither code nor Markdown's made safe for a cell of a table."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    parts[::2] = [re.sub(r"([*\[|])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    return "".join(parts)
