"""Makes matplotlib's figures parts of a page: SVG whose ids do not clash, in the colours of the page's style."""

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lastlayer.rpc.observability.escape import escape

INK, MUTED, GRID, PAPER = "#010101", "#010102", "#010103", "#010104"
RIGHT, WRONG, ON_COLOUR = "#010105", "#010106", "#010107"
"""Stand-ins for colours: the page's style says what they are, by day and by night."""

_VARIABLES: Final = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--card)",
    RIGHT: "var(--right)",
    WRONG: "var(--wrong)",
    ON_COLOUR: "var(--on-colour)",
}
_COLOUR: Final = re.compile("#01010[1-7]")
_REFERENCE: Final = re.compile(r"(?:^|url\()#([\w-]+)")
_FONT: Final = re.compile(r"(^|; )font: (?:(?:normal|bold|\d+) )*([\d.]+px)[^;]*")
_POINTS_PER_INCH: Final = 72
_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"

_STYLE: Final[Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.labelpad": 6,
    "axes.labelsize": 12,
    "axes.linewidth": 1,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "grid.color": GRID,
    "grid.linewidth": 1,
    "savefig.facecolor": "none",
    # The same page for the same numbers, whenever it is made.
    "svg.hashsalt": "lastlayer",
    # The browser's fonts have every script; matplotlib's own has not.
    "svg.fonttype": "none",
    "text.color": INK,
    # A label such as `$100$` is no formula.
    "text.parse_math": False,
    "xtick.color": GRID,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.color": GRID,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11,
    "ytick.major.size": 0,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of the page while the block lasts."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        # Of characters that its own font has not; it only measures with that, and the browser draws them.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in pixels."""
    return Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), dpi=_POINTS_PER_INCH)


def add_axes(figure: Figure, *, left: float, top: float, width: float, height: float) -> Axes:
    """Return new axes at a place in pixels from the figure's top left corner."""
    across, down = figure.get_size_inches() * _POINTS_PER_INCH
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def to_svg(figure: Figure, name: str, described: str, titles: Mapping[str, str] | None = None) -> str:
    """Return a figure as an `<svg>` element.

    `name` is unique in the page, `described` is the figure in words, and `titles` are what is shown where the mouse is
    over an element, by its gid.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = ElementTree.fromstring(stream.getvalue())  # noqa: S314 - matplotlib wrote it
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}style", f"{{{_SVG}}}metadata"):
                parent.remove(child)
    values = [value for element in root.iter() for value in element.attrib.values()]
    used = {found[1] for found in map(_REFERENCE.search, values) if found}
    for element in root.iter():
        own = element.attrib.pop("id", "")
        if titles and own in titles:
            title = ElementTree.Element(f"{{{_SVG}}}title")
            title.text = titles[own]
            element.insert(0, title)
        for key, value in element.attrib.items():
            element.set(key, _REFERENCE.sub(lambda found: found[0].replace("#", f"#{name}-", 1), value))
        if own in used:
            element.set("id", f"{name}-{own}")
        if style := element.get("style"):
            sized = _FONT.sub(r"\1font-size: \2", style)
            element.set("style", _COLOUR.sub(lambda found: _VARIABLES[found[0]], sized))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    linked = [(parent, link) for parent in root.iter() for link in parent.findall(f"{{{_SVG}}}a")]
    for parent, link in linked:
        link.attrib.pop("target")  # a new window
        link.set("aria-label", parent.findtext(f"{{{_SVG}}}title", ""))
    # What is inside of an image cannot be reached, links included.
    root.attrib.update({"role": "group" if linked else "img", "aria-label": described, "class": name})
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def columns(text: str) -> int:
    """Return how wide a text is, in characters of the Latin script."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def short(label: str, room: int = 20) -> str:
    """Return a label as it is shown where there is little room, of at most `room` columns."""
    text = escape(label)
    if columns(text) <= room:
        return text
    while columns(text) >= room:
        text = text[:-1]
    return f"{text.rstrip()}…"
