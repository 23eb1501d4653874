"""Progress in a notebook: a bar of HTML that is drawn anew, with nothing but IPython."""

import html
import sys
from collections.abc import Callable


def in_notebook() -> bool:
    """Return whether this runs in a cell of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def show_bar(title: str) -> Callable[[float, str], None]:
    """Show a bar; the function sets how much is done, from 0 to 1, and the words beside it."""
    from IPython.display import HTML, display

    handle = display(HTML(_bar(title, 0, "")), display_id=True)

    def update(done: float, words: str) -> None:
        handle.update(HTML(_bar(title, done, words)))

    return update


def _bar(title: str, done: float, words: str) -> str:
    share = f"{min(max(done, 0.0), 1.0):.3f}"
    return f'{html.escape(title)} <progress value="{share}" max="1"></progress> {html.escape(words)}'
