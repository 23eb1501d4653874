"""`client train`: adds labelled images to a dataset, if any are given, and trains a model on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lastlayer.client.commands.interface.completion import complete_dataset
from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    WRONG_INPUT,
    data_options,
    model_option,
    multi_label_option,
    server_options,
    thumbnails_option,
    views_option,
)
from lastlayer.client.commands.interface.server import Server
from lastlayer.client.commands.interface.style import tell
from lastlayer.client.transport.defaults import CLASS_WEIGHTS, DEFAULT_MODEL, PREFERENCES, RECIPES, TRAIN_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lastlayer.client.api import Client
    from lastlayer.client.data.labelled import Data
    from lastlayer.client.results.examples import AddedExamples
    from lastlayer.client.results.server import Backbone
    from lastlayer.client.results.versions import ModelVersion

_EPILOG = """\b
Example:
  client train photos/ --model flowers
  client train project.tm --model flowers
  client train --model flowers"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("data", type=click.Path(path_type=Path), required=False)
@data_options
@model_option(existing=False)
@click.option(
    "--dataset",
    default="",
    metavar="NAME",
    shell_complete=complete_dataset,
    help="The dataset; it has the model's name if not given.",
)
@click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    default=RECIPES[0],
    show_default=True,
    help="How to train: `auto` chooses by cross-validation, `tutorial` does what the ML.NET tutorial does.",
)
@click.option(
    "--class-weight",
    type=click.Choice(CLASS_WEIGHTS),
    default=CLASS_WEIGHTS[0],
    show_default=True,
    help="`balanced` lets every class count the same, however many examples it has.",
)
@click.option(
    "--min-precision",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="P",
    help="Answer `unknown` rather than guess: where the model names a class, about this share should be right. Images "
    "unlike the training images are `unknown`, too.",
)
@click.option(
    "--unfamiliar",
    type=click.FloatRange(0, 0.5),
    default=None,
    metavar="SHARE",
    help="Answer `unknown` for images unlike the training images; this share of such as were trained on is lost by it. "
    "If not given, 0.05 with --min-precision, and 0 without.",
)
@click.option(
    "--prefer",
    type=click.Choice(PREFERENCES),
    default=PREFERENCES[0],
    show_default=True,
    help="`speed` makes predictions quicker where that hardly costs accuracy.",
)
@click.option(
    "--compare", is_flag=True, help="Estimate the other recipe as well; training then takes about twice as long."
)
@multi_label_option
@views_option
@thumbnails_option
@server_options
def train(
    data: Path | None,
    images: Path | None,
    label: str,
    model: str | None,
    dataset: str,
    recipe: str,
    class_weight: str,
    min_precision: float,
    unfamiliar: float | None,
    prefer: str,
    compare: bool,
    multi_label: bool,
    views: tuple[str, ...],
    no_thumbnails: bool,
    server: Server,
    as_json: bool,
) -> int:
    """Train a model on the labelled images of DATA, or on what is stored.

    DATA is a folder with one sub-folder for each class, or a zip of one; a TSV or CSV file of path and label; a project
    of Teachable Machine (project.tm); the JSON file of Azure Custom Vision's images, beside these; or, with --label, a
    folder or zip of images of one class. Its images are added to the dataset; those that are there already are not sent
    again. An image that fails is named, and the rest is trained on. Without DATA nothing is sent.
    """
    from lastlayer.client.commands.interface.data import read_argument
    from lastlayer.client.commands.interface.notices import tell_better, tell_next
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.progress import train_progress
    from lastlayer.client.output.results import console, print_training

    for option, given in (
        ("--images", images is not None),
        ("--label", bool(label)),
        ("--multi-label", multi_label),
        ("--views", bool(views)),
        ("--no-thumbnails", no_thumbnails),
    ):
        if data is None and given:
            raise click.UsageError(f"{option} goes with DATA.")
    model = model or DEFAULT_MODEL
    known = read_argument(data, images, label, multi_label=multi_label) if data is not None else None
    with server.client() as client:
        added = None
        if known is not None:
            added = add_all(
                client, known, dataset or model, thumbnails=not no_thumbnails, views=views, multi_label=multi_label
            )
            if not added.added and not added.present:
                tell("Error", "none of the images can be trained on; nothing was trained.")
                return WRONG_INPUT
        with train_progress() as tell_event:
            version: ModelVersion = client.train(
                model,
                dataset=dataset,
                recipe=recipe,
                class_weight=class_weight,
                min_precision=min_precision,
                unfamiliar_share=unfamiliar,
                prefer=prefer,
                compare=compare,
                timeout_s=server.timeout_s or TRAIN_TIMEOUT_S,
                on_progress=tell_event,
            )
        served = None if as_json else _find_served(client)
    if not as_json:
        print_training(console(), version, added)
        if served is not None:
            tell_better(served, version)
        tell_next(version.model)
    elif known is not None and added is not None:
        print_json({**result_json(version), **added_json(known, added)})
    else:
        print_json(result_json(version))
    return SOME_FAILED if added is not None and added.failed else DONE


def _find_served(client: "Client") -> "Backbone | None":
    """Return the network that is served; None where it cannot be known, which is no reason for a training to fail."""
    from lastlayer.client.errors import ClientError

    try:
        return client.get_served_backbone()
    except ClientError:
        return None


def added_json(known: "Data", added: "AddedExamples") -> dict[str, Any]:
    """Return what became of labelled images as an object of JSON."""
    from lastlayer.client.output.json_lines import result_json

    relabelled = [
        {"image": entry.image, "label": entry.label, **({"labels": list(entry.labels)} if entry.labels else {})}
        for entry in added.relabelled
    ]
    return {**result_json(added), "trimmed_labels": known.trimmed + added.trimmed, "relabelled": relabelled}


def add_all(
    client: "Client",
    known: "Data",
    dataset: str,
    *,
    thumbnails: bool,
    views: "Sequence[str]",
    multi_label: bool = False,
) -> "AddedExamples":
    """Add labelled images to a dataset, and tell what should be known of that."""
    from lastlayer.client.commands.interface.notices import tell_failures, tell_notes, tell_relabelled
    from lastlayer.client.output.progress import image_progress

    with image_progress("Adding", len(known.examples)) as tell_image:
        added = client.add_examples(
            known.examples,
            dataset=dataset,
            thumbnails=thumbnails,
            views=views,
            multi_label=multi_label,
            on_outcome=tell_image,
        )
    tell_notes(known, known.trimmed + added.trimmed)
    tell_relabelled(added.relabelled)
    tell_failures([(entry.image, entry.error) for entry in added.failed])
    return added
