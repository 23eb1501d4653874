"""Shows how far a run is: a bar on a terminal, a line now and then elsewhere; both on standard error."""

import contextlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from lastlayer.featurizer.bulk.run import Progress

_LINE_EVERY_S: Final = 10.0


class Shown(Protocol):
    """What a run tells of itself."""

    def begun(self, progress: Progress) -> None:
        """Tell that the plan is known."""

    def image(self) -> None:
        """Tell that another image is done."""

    def advanced(self, progress: Progress) -> None:
        """Tell that another shard is in its place."""


@contextlib.contextmanager
def shown() -> Iterator[Shown]:
    """Yield what shows a run's progress while the block lasts."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _Bar(bars)


class _Counted(ABC):
    """Counts images that are done but not yet in their place, besides those that are."""

    def __init__(self) -> None:
        self.progress = Progress(0)
        self.images = 0
        self.started = 0.0

    def begun(self, progress: Progress) -> None:
        self.progress = progress
        self.images = progress.done
        self.started = time.monotonic()
        self.show()

    def image(self) -> None:
        self.images += 1
        self.show()

    def advanced(self, progress: Progress) -> None:
        self.progress = progress
        self.images = progress.done
        self.show()

    @abstractmethod
    def show(self) -> None:
        """Show what is counted."""

    def rate(self) -> float:
        """Return how many images a second were done since the run began."""
        return (self.images - self.progress.earlier) / max(1e-9, time.monotonic() - self.started)


class _Lines(_Counted):
    def __init__(self) -> None:
        super().__init__()
        self._last = 0.0

    def begun(self, progress: Progress) -> None:
        super().begun(progress)
        earlier = f", {progress.earlier:,} of them done before" if progress.earlier else ""
        click.echo(f"{progress.total:,} images{earlier}", err=True)

    def show(self) -> None:
        now = time.monotonic()
        if now - self._last < _LINE_EVERY_S or self.images == self.progress.earlier:
            return
        self._last = now
        rate = self.rate()
        left = (self.progress.total - self.images) / rate if rate else 0.0
        failed = f", {self.progress.failed:,} failed" if self.progress.failed else ""
        click.echo(
            f"{self.images:,} of {self.progress.total:,} images{failed}; {rate:.1f} a second, {_duration(left)} left",
            err=True,
        )


class _Bar(_Counted):
    def __init__(self, bars: Bars) -> None:
        super().__init__()
        self._bars = bars
        self._task = bars.add_task("images", total=None, rate=0.0)

    def show(self) -> None:
        failed = f" ({self.progress.failed:,} failed)" if self.progress.failed else ""
        self._bars.update(
            self._task,
            description=f"images{failed}",
            total=self.progress.total,
            completed=self.images,
            rate=self.rate(),
        )


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the images a second."""
        return Text(f"{task.fields['rate']:.1f} images/s")


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
