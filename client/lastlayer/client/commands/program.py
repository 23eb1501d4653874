"""The command `client`: its sub-commands, and how errors become sentences and exit statuses."""

import contextlib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

import click

from lastlayer.client.commands.interface.help import Command, Group
from lastlayer.client.commands.interface.leaving import leave
from lastlayer.client.commands.interface.options import CUT_SHORT, INTERRUPTED, SERVER_FAILED, WRONG_INPUT
from lastlayer.client.commands.interface.questions import DeclinedError
from lastlayer.client.commands.interface.style import tell
from lastlayer.client.errors import AccessError, ClientError, DataError, ServerError
from lastlayer.rpc.system.help import CONTEXT

_EPILOG = """\b
Exit status:
  0    all done
  1    some images failed
  2    wrong use or input
  3    server unreachable or failed
  130  interrupted
  141  nobody reads the output any more

\b
Example:
  client train photos/
  client predict new.jpg"""


_MODULES: Final[Mapping[str, str]] = {
    "add": "curation.examples",
    "train": "train",
    "evaluate": "evaluate",
    "predict": "images.predict",
    "sort": "images.sort",
    "embed": "images.predict",
    "explain": "images.explain",
    "report": "report",
    "pool": "curation.pool",
    "next": "curation.pool",
    "label": "curation.pool",
    "similar": "curation.alike",
    "map": "curation.alike",
    "review": "curation.examples",
    "relabel": "curation.examples",
    "remove": "curation.examples",
    "move": "move",
    "drift": "versions",
    "compare": "versions",
    "rollback": "versions",
    "export": "versions",
    "models": "resources",
    "datasets": "resources",
    "status": "resources",
}
"""The commands, in the order of use, and the modules of this package that they are in: imported when they are named."""

_FUNCTIONS: Final[Mapping[str, str]] = {"map": "map_images", "next": "next_images"}
"""What commands are called there whose names mean something else in Python."""


class _Program(Group):
    """A group whose commands return their exit status, and whose errors are one sentence each on standard error."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_MODULES, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _MODULES and cmd_name not in self.commands:
            module = importlib.import_module(f"lastlayer.client.commands.{_MODULES[cmd_name]}")
            self.add_command(getattr(module, _FUNCTIONS.get(cmd_name, cmd_name)))
        return super().get_command(ctx, cmd_name)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if "_CLIENT_COMPLETE" in os.environ:  # the shell asks, and knows what to make of the answer
            return super().main(args, prog_name, complete_var, standalone_mode, **extra)
        _open_closed()
        if sys.stdout is None:
            _tell("Error: Standard output is closed; send it to a file or to /dev/null.")
            status = WRONG_INPUT
        else:
            status = self._finish(args=args, prog_name=prog_name, complete_var=complete_var, **extra)
        if standalone_mode:
            if args is None:  # they are those of the process, which is this command's own
                leave(status)
            sys.exit(status)
        return status

    def _finish(self, **arguments: Any) -> int:
        """Run, and see that everything that was printed has arrived."""
        try:
            status = self._run(**arguments)
            sys.stdout.flush()
        except (BrokenPipeError, SystemExit):  # SystemExit: click and rich end so where the pipe is broken
            _drop(sys.stdout, sys.stderr)  # whoever reads, such as `head -1`, has what they wanted
            return CUT_SHORT
        except KeyboardInterrupt:  # outside of what click looks after
            _tell("Interrupted.")
            return INTERRUPTED
        except OSError as error:
            if error.filename is not None:  # it is not of what is printed
                raise
            _drop(sys.stdout)
            _tell(f"Error: Standard output cannot be written: {error.strerror or error}.")
            return WRONG_INPUT
        return status

    def _run(self, **arguments: Any) -> int:
        # gRPC's own lines on standard error help nobody: what they are about comes as one of our sentences.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        try:
            status = super().main(standalone_mode=False, **arguments)
        except click.ClickException as error:
            error.show()
            return WRONG_INPUT
        except DeclinedError:
            click.echo("Nothing was done.", err=True)
            return WRONG_INPUT
        except click.Abort:  # Ctrl-C
            click.echo("Interrupted.", err=True)
            return INTERRUPTED
        except DataError as error:
            from lastlayer.client.commands.interface.notices import tell_problems

            tell_problems(error.problems)
            return WRONG_INPUT
        except ClientError as error:
            from lastlayer.rpc.observability.escape import escape

            tell("Error", escape(error.message))
            if isinstance(error, AccessError):
                click.echo("Give a token with --token-file FILE, or in the environment as LASTLAYER_TOKEN.", err=True)
            return SERVER_FAILED if isinstance(error, ServerError) else WRONG_INPUT
        return int(status or 0)


def _open_closed() -> None:
    """Open what the shell closed of standard input, output and error, or the next file would get its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free: this one


def _tell(sentence: str) -> None:
    with contextlib.suppress(OSError):  # standard error may be the full disk itself
        click.echo(sentence, err=True)


def _drop(*streams: TextIO) -> None:
    """Throw away what could not be printed, or Python complains once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):  # a test's stream is no file
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@click.group(cls=_Program, context_settings=CONTEXT, epilog=_EPILOG)
@click.version_option(package_name="lastlayer", prog_name="client", message="%(prog)s %(version)s")
def main() -> None:
    """Train image classifiers from a few labelled photos, and predict with them."""


@click.command(cls=Command, epilog="\b\nExample:\n  client completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print what lets a shell complete commands, options and the names of models and datasets.

    For fish, write it to ~/.config/fish/completions/client.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(kind(main, {}, "client", "_CLIENT_COMPLETE").source())
    return 0


main.add_command(completion)
