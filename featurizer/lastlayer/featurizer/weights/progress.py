"""The progress of a download as lines of text, for logs and pipes."""

from collections.abc import Callable

from lastlayer.featurizer.weights.download import Progress


def progress_lines(say: Callable[[str], None]) -> Progress:
    """Return a progress callback that says a sentence at every tenth of each file."""
    tenths: dict[str, int] = {}

    def show(what: str, done: int, total: int | None) -> None:
        tenth = 10 * done // total if total else done // 10_000_000
        if tenth > tenths.get(what, 0):
            tenths[what] = tenth
            share = f" ({10 * tenth} % of {total / 1e6:.1f} MB)" if total else ""
            say(f"fetching {what}: {done / 1e6:.1f} MB{share}")

    return show
