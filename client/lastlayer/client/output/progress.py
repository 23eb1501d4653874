"""Progress on standard error: bars on a terminal, a line now and then elsewhere; in a notebook below the cell."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from lastlayer.client.output.notebook import in_notebook, show_bar
from lastlayer.rpc.observability.escape import escape

if TYPE_CHECKING:
    from lastlayer.client.results.models import TrainProgress


def _console() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextlib.contextmanager
def image_progress(title: str, total: int) -> Iterator[Callable[[object], None]]:
    """Show how many of `total` images are done: the function is called once for each, with anything.

    >>> with image_progress("Adding", 4) as tell:
    ...     added = client.add_examples("photos", dataset="pets", on_outcome=tell)
    """
    console = _console()
    done = 0
    if in_notebook():
        update = show_bar(title)

        def draw(_: object) -> None:
            nonlocal done
            done += 1
            update(done / total, f"{done} of {total}")

        yield draw
        return
    if not console.is_terminal:

        def tell(_: object) -> None:
            nonlocal done
            done += 1
            # At each tenth: often enough to see life, seldom enough for a log.
            if done * 10 // total > (done - 1) * 10 // total:
                console.print(Text(f"{title}: {done} of {total} images"), soft_wrap=True)

        yield tell
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda _: bar.advance(task)


@contextlib.contextmanager
def train_progress(title: str = "Training") -> "Iterator[Callable[[TrainProgress], None]]":
    """Show how far a training, or other work with a `title`, is: the function is called with each of its events.

    >>> with train_progress() as tell:
    ...     version = client.train("pets", on_progress=tell)
    """
    console = _console()
    last = ""
    if in_notebook():
        set_bar = show_bar(title)
        yield lambda event: set_bar(event.fraction, escape(event.message))
        return
    if not console.is_terminal:

        def tell(progress: "TrainProgress") -> None:
            nonlocal last
            if progress.message != last:  # the server repeats itself to show that it lives
                last = progress.message
                console.print(Text(f"{title}: {escape(last)}"), soft_wrap=True)

        yield tell
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda event: bar.update(
            task, completed=min(max(0.0, event.fraction), 1.0), description=escape(event.message)
        )
