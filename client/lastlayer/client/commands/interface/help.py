"""How `--help` of the client looks: how the server is called stands at the end."""

import click

from lastlayer.rpc.system import help as whole


class ConnectionOption(click.Option):
    """An option that says which server is called, and how."""


class Command(click.Command):
    """A command whose options of the connection stand apart."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options: the command's own, then those of the connection."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Connection": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections["Connection" if isinstance(parameter, ConnectionOption) else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(whole.Group):
    """A group of such commands."""

    command_class = Command


class ListingGroup(Group):
    """A group whose command `list` is meant where none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `list` where no command is named."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
