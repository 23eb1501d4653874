"""`client train`: adds labelled images to a dataset and trains a model on it."""

from pathlib import Path

import click

from client.commands.options import (
    DONE,
    SOME_FAILED,
    WRONG_INPUT,
    data_argument,
    model_option,
    server_options,
)
from client.defaults import DEFAULT_TIMEOUT_S, RECIPES, TRAIN_TIMEOUT_S

_EPILOG = """\b
Example:
  client train photos/ --model flowers"""


@click.command(epilog=_EPILOG)
@data_argument
@model_option
@click.option("--dataset", default="", metavar="NAME", help="The dataset; it has the model's name if not given.")
@click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    default=RECIPES[0],
    show_default=True,
    help="How to train: `auto` chooses by cross-validation, `tutorial` does what the ML.NET tutorial does.",
)
@server_options
def train(
    data: Path,
    images: Path | None,
    model: str,
    dataset: str,
    recipe: str,
    server: str,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    """Train a model on the labelled images of DATA.

    DATA is a TSV or CSV file of path and label, or a folder with one sub-folder a class. Its images are added to the
    dataset; those that are there already are not sent again. An image that fails is named, and the rest is trained on.
    """
    from client.api import Client
    from client.commands.reports import tell_failures, tell_notes
    from client.data import read_data
    from client.machine import print_json, training_json
    from client.progress import image_progress, train_progress
    from client.render import console, print_training

    known = read_data(data, images)
    with Client(server, timeout_s=timeout_s or DEFAULT_TIMEOUT_S) as client:
        with image_progress("Adding", len(known.examples)) as tell_image:
            added = client.add_examples(known.examples, dataset=dataset or model, on_outcome=tell_image)
        trimmed = known.trimmed + added.trimmed
        tell_notes(known, trimmed)
        tell_failures((entry.image, entry.error) for entry in added.failed)
        if not added.added and not added.present:
            click.echo("Error: none of the images can be trained on; nothing was trained.", err=True)
            return WRONG_INPUT
        with train_progress() as tell_event:
            version = client.train(
                model,
                dataset=dataset,
                recipe=recipe,
                timeout_s=timeout_s or TRAIN_TIMEOUT_S,
                on_progress=tell_event,
            )
    if as_json:
        print_json(training_json(version, added, trimmed))
    else:
        print_training(console(), version, added)
    return SOME_FAILED if added.failed else DONE
