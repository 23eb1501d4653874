"""`client explain`: draws over a photo where the score of a class comes from."""

import contextlib
import io
from pathlib import Path
from typing import Final

import click

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import DONE, model_option, server_options, version_option
from lastlayer.client.commands.interface.server import Server

_EPILOG = """\b
Example:
  client explain new.jpg --label cat -o why.png"""

_FORMATS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("image", type=click.Path(path_type=Path))
@model_option()
@version_option
@click.option("--label", default="", metavar="LABEL", help="The class to explain; the image's best one if not given.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The picture to write; IMAGE's name with -explained.png, here, if not given.",
)
@server_options
def explain(
    image: Path,
    model: str | None,
    version: int | None,
    label: str,
    output: Path | None,
    server: Server,
    as_json: bool,
) -> int:
    """Draw over a photo, IMAGE, where the score of a class comes from.

    Warm colours speak for the class and blue ones against it. Where only a part of the photo was looked at, it is
    framed. With --json the numbers are printed, and a picture is drawn only with -o.
    """
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.data.images import read_image
    from lastlayer.client.errors import InvalidInputError
    from lastlayer.client.output.files import write_file
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.results import console, print_explanation
    from lastlayer.rpc.observability.escape import escape

    name, number = said(None, model, version)
    target = output or (None if as_json else Path(f"{image.stem}-explained.png"))
    if target is not None:
        _check(target, image)
    content = read_image(image)
    with server.client() as client:
        explanation = client.explain(content, model=choose(client, name), version=number, label=label)
    if target is not None:
        from lastlayer.client.output.heatmap import PictureError, draw

        picture = io.BytesIO()
        try:
            draw(content, explanation, image.name).save(picture, _FORMATS[target.suffix.lower()])
        except PictureError as error:
            raise InvalidInputError(f"`{image}` cannot be drawn over: it is {error}.") from error
        write_file(picture.getvalue(), target)
    if as_json:
        print_json({**result_json(explanation), "image": str(image)})
    else:
        print_explanation(console(), image.name, explanation)
        click.echo(f"Written: {escape(str(target))}")
    return DONE


def _check(target: Path, image: Path) -> None:
    """Refuse what cannot be drawn or must not be written, before anything is asked of the server."""
    from lastlayer.client.errors import ClientError, InvalidInputError

    if target.suffix.lower() not in _FORMATS:
        raise InvalidInputError(f"`{target}` cannot be written: its name must end with {', '.join(_FORMATS)}.")
    with contextlib.suppress(OSError):  # neither need be there
        if target.samefile(image):
            raise InvalidInputError(f"`{target}` is the image itself; name another file with -o.")
    try:
        import lastlayer.client.output.heatmap  # noqa: F401 - only whether it can be
    except ImportError as error:
        raise ClientError(
            "Drawing needs Pillow and NumPy, which are not installed: `pip install 'lastlayer[report]'` does that."
        ) from error
