"""`client predict` and `client embed`: the classes of images, and their feature vectors."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    WRONG_INPUT,
    model_option,
    server_options,
    version_option,
)
from lastlayer.client.commands.interface.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
    from lastlayer.client.output.predictions import print_prediction, short_names

    def source(image: str) -> "ImageSource":
        return sys.stdin.buffer if image == "-" else image

    name, number = said(None, model, version)
    names = short_names(images)
    status = DONE
    # People see the best class unless they ask for more; programs see all of them.
    wanted = top_k or (0 if as_json else 1)
    with server.client() as client:
        # A lone image has nobody to be read meanwhile, and a call of its own begins and ends sooner than a stream.
        ask = client.predict if len(images) == 1 else client.predict_stream
        predictions = ask(
            map(source, images), model=choose(client, name), version=number, top_k=wanted, threshold=threshold
        )
        for image, prediction in zip(images, predictions, strict=True):
            if prediction.error is not None:
                from lastlayer.client.commands.interface.notices import tell_failures

                status = SOME_FAILED
                tell_failures([(names[image], prediction.error)])
            if as_json:
                from lastlayer.client.output.json_lines import print_json, result_json

                print_json(result_json(dataclasses.replace(prediction, image=image)))
            elif prediction.error is None:
                print_prediction(names[image], prediction)
    return status


@click.command(cls=Command, epilog="\b\nExample:\n  client embed photos/ --to vectors.parquet")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--to", required=True, metavar="FILE", help="The file to write: its name ends with .parquet or .npz.")
@click.option(
    "--tap",
    "taps",
    multiple=True,
    metavar="TAP",
    help="A tap to read vectors at; repeat it for more. All if not given.",
)
@server_options
def embed(images: tuple[str, ...], to: str, taps: tuple[str, ...], server: Server, as_json: bool) -> int:
    """Write the feature vectors of each IMAGE, a file, or a folder with images, as the network that is served has them.

    Nothing is stored at the server. For images by the thousand, `featurizer embed` is faster.
    """
    from lastlayer.client.commands.interface.notices import tell_failures
    from lastlayer.client.data.folders import find_all_images
    from lastlayer.client.export.vectors import to_npz, to_parquet
    from lastlayer.client.output.files import write_file
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.client.output.progress import image_progress
    from lastlayer.rpc.observability.escape import escape

    writers = {".parquet": to_parquet, ".npz": to_npz}
    write = writers.get(Path(to).suffix)
    if write is None:
        raise click.UsageError("The name of FILE ends with .parquet or .npz.")
    found: list[str] = []
    for image in images:
        inside = find_all_images(Path(image)).classes if Path(image).is_dir() else ()
        found.extend(str(path) for _, paths in inside for path in paths)
        if not inside:
            found.append(image)
    if not found:
        raise click.UsageError("There are no images in what was given.")
    with server.client() as client, image_progress("Embedding", len(found)) as tell_image:
        embeddings = client.embed(_counted(found, tell_image), taps=taps)
    failures = [
        (image, error) for image, error in zip(embeddings.images, embeddings.errors, strict=True) if error is not None
    ]
    tell_failures(failures)
    if len(failures) == len(found):
        return WRONG_INPUT
    write_file(write(embeddings), Path(to))
    if as_json:
        dimensions = {tap: rows.shape[1] for tap, rows in embeddings.vectors.items()}
        print_json(
            {
                "to": to,
                "images": len(found),
                "failed": len(failures),
                "taps": dimensions,
                "backbone": embeddings.backbone,
                "backbone_digest": embeddings.backbone_digest,
            }
        )
    else:
        at = ", ".join(f"{escape(tap)} ({rows.shape[1]})" for tap, rows in embeddings.vectors.items())
        failed = f", {len(failures):,} failed" if failures else ""
        click.echo(f"{len(found):,} images{failed}, with vectors of {escape(embeddings.backbone)} at {at}: {to}")
    return SOME_FAILED if failures else DONE


def _counted(images: "Sequence[str]", tell: "Callable[[object], None]") -> "Iterator[str]":
    for image in images:
        yield image
        tell(image)
