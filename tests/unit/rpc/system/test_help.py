"""The help of every command, at the width of a narrow terminal."""

import importlib

import click
import pytest
from click.testing import CliRunner

MODULES = [f"lastlayer.{name}.__main__" for name in ("classifier", "client", "featurizer", "local", "studio")]


def children(group: click.Group) -> dict[str, click.Command]:
    """Return the commands of a group in the order in which it lists them; some are imported for it."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def groups(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Group]]:
    if not isinstance(command, click.Group):
        return []
    below = [entry for name, child in children(command).items() for entry in groups(child, (*path, name))]
    return [(path, command), *below]


@pytest.mark.parametrize("module", MODULES)
def test_commands_are_listed_with_whole_sentences_in_the_order_of_use(module: str) -> None:
    main = importlib.import_module(module).main
    for path, group in groups(main):
        printed = CliRunner().invoke(main, [*path, "--help"], terminal_width=80).output
        listed = printed.partition("Commands:")[2]
        assert "..." not in listed
        words = " ".join(listed.split())
        places = [words.index(f"{name} {child.get_short_help_str(10_000)}") for name, child in children(group).items()]
        assert places == sorted(places)


@pytest.mark.parametrize("module", MODULES)
def test_every_option_says_what_it_does(module: str) -> None:
    for _, group in groups(importlib.import_module(module).main):
        for command in children(group).values():
            options = [option for option in command.params if isinstance(option, click.Option)]
            assert [option.name for option in options if not option.help] == []
