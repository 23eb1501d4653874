"""`client predict`: predicts the classes of images."""

import sys
from typing import TYPE_CHECKING

import click

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    model_option,
    server_options,
    version_option,
)
from lastlayer.client.commands.interface.server import Server

if TYPE_CHECKING:
    from lastlayer.client.data.images import ImageSource

_EPILOG = """\b
Example:
  client predict new.jpg --top-k 3"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@model_option()
@version_option
@click.option("--top-k", type=click.IntRange(min=1), metavar="K", help="How many of the best classes to show.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Answer `unknown` where the best class is less probable than this; the version's own threshold if not given.",
)
@server_options
def predict(
    images: tuple[str, ...],
    model: str | None,
    version: int | None,
    top_k: int | None,
    threshold: float | None,
    server: Server,
    as_json: bool,
) -> int:
    """Predict the class of each IMAGE, a file or `-` for standard input, in this order.

    --json prints one object a line, with the scores of all classes unless --top-k is given.
    """
    if images.count("-") > 1:
        raise click.UsageError("Standard input (-) can be read only once.")
    if "-" in images and sys.stdin is None:
        raise click.UsageError("Standard input (-) is closed; give an image by its path, or pipe it in.")
    import dataclasses

    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.commands.interface.notices import tell_failures
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.results import console, print_prediction, short_names

    def source(image: str) -> "ImageSource":
        return sys.stdin.buffer if image == "-" else image

    name, number = said(None, model, version)
    names = short_names(images)
    out = console()
    status = DONE
    # People see the best class unless they ask for more; programs see all of them.
    wanted = top_k or (0 if as_json else 1)
    with server.client() as client:
        predictions = client.predict_stream(
            map(source, images), model=choose(client, name), version=number, top_k=wanted, threshold=threshold
        )
        for image, prediction in zip(images, predictions, strict=True):
            if prediction.error is not None:
                status = SOME_FAILED
                tell_failures([(names[image], prediction.error)])
            if as_json:
                print_json(result_json(dataclasses.replace(prediction, image=image)))
            elif prediction.error is None:
                print_prediction(out, names[image], prediction)
    return status
