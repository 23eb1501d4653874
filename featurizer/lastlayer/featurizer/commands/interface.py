"""What commands share: the option `--backbone`, settings, errors of input, and progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lastlayer.rpc.system.help import also

if TYPE_CHECKING:
    from lastlayer.featurizer.config import FeaturizerSettings

backbone_option = click.option(
    "--backbone",
    metavar="NAME",
    help="A built-in name, `auto`, or the path of a TOML file" + also("LASTLAYER_BACKBONE"),
)


def read_settings(**overrides: object) -> "FeaturizerSettings":
    """Return the settings of the environment, save those that options override; None overrides nothing."""
    from lastlayer.featurizer.config import FeaturizerSettings
    from lastlayer.rpc.settings import SettingsError, load_settings

    try:
        return load_settings(FeaturizerSettings, **overrides)
    except SettingsError as error:
        raise InputError(str(error)) from error


class InputError(click.ClickException):
    """A setting or a declaration is wrong; `click.ClickException` with its status 1 is for what fails."""

    exit_code = 2


@contextmanager
def shown_progress() -> Iterator[tuple[Callable[[str], None], Callable[[str, int, int | None], None]]]:
    """Yield what tells a sentence and what shows a download's progress: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        from lastlayer.featurizer.weights.progress import progress_lines

        yield (lambda text: click.echo(text, err=True)), progress_lines(lambda text: click.echo(text, err=True))
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    tasks: dict[str, TaskID] = {}
    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what.rpartition("/")[2])
            bars.update(tasks[what], completed=done, total=total)

        yield (lambda text: bars.console.print(text, markup=False)), show
