"""Pages of HTML that need nothing else: what a template is given is escaped, and images are in the page."""

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

from lastlayer.rpc.observability.escape import escape


def make_environment() -> Environment:
    """Return what renders the templates below this folder, with the filters `shown` for text and `image` for JPEGs."""
    environment = Environment(
        loader=PackageLoader("lastlayer.client", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(shown=escape, image=_image)
    return environment


def _image(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
