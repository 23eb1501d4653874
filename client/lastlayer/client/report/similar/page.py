"""Renders similar images as one page of HTML that needs nothing else."""

import io
from typing import Final

from lastlayer.client.output.heatmap import PictureError, upright
from lastlayer.client.report.html import make_environment
from lastlayer.client.results.curation import SimilarExamples

_EDGE: Final = 320
"""How many pixels the image that others are like has across at most, on the page."""


def render_similar(similar: SimilarExamples, dataset: str, name: str, content: bytes) -> str:
    """Return the page about the image called `name`; `content` is its file, empty where only the server has it."""
    environment = make_environment()
    return environment.get_template("similar/similar.html.j2").render(
        similar=similar, dataset=dataset, name=name, picture=_shrink(content)
    )


def _shrink(content: bytes) -> bytes:
    """Return an image as a small JPEG; empty where it cannot be shown."""
    if not content:
        return b""
    try:
        picture = upright(content)
    except PictureError:
        return b""
    picture.thumbnail((_EDGE, _EDGE))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    return stream.getvalue()
