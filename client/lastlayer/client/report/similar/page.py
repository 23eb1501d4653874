"""Renders similar images as one page of HTML that needs nothing else."""

import base64
import io
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from lastlayer.client.output.heatmap import PictureError, upright
from lastlayer.client.results import SimilarExamples
from lastlayer.rpc.observability.escape import escape

_EDGE: Final = 320
"""How many pixels the image that others are like has across at most, on the page."""


def render_similar(similar: SimilarExamples, dataset: str, name: str, content: bytes) -> str:
    """Return the page about the image called `name`; `content` is its file, empty where only the server has it."""
    environment = Environment(
        loader=PackageLoader("lastlayer.client", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shown=escape, image=_image)
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


def _image(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
