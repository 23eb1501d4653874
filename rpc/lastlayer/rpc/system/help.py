"""How `--help` of every command looks: whole sentences, commands in the order of use, examples at the end."""

from typing import Final

import click

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of the outermost command, which hold for those below it as well."""


class Group(click.Group):
    """A group that lists its commands with their whole first sentences, in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands as they were added."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        records = [(name, command.get_short_help_str(limit=1000)) for name, command in commands.items() if command]
        if records:
            with formatter.section("Commands"):
                formatter.write_dl(records)


def example(*lines: str) -> str:
    """Return the end of a command's help: lines to copy, never folded.

    >>> example("lastlayer up")
    '\\x08\\nExample:\\n  lastlayer up'
    """
    return "\n  ".join(["\b\nExample:", *lines])


def also(variable: str) -> str:
    """Return the end of an option's help: the variable of the environment that says the same."""
    return f"; also {variable} in the environment."
