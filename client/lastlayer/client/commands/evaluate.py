"""`client evaluate`: compares a model's predictions with true labels."""

from pathlib import Path
from typing import Final

import click

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    data_argument,
    model_option,
    multi_label_option,
    server_options,
    version_option,
)
from lastlayer.client.commands.interface.server import Server

_SHOWN_IMAGES: Final = 20
"""Up to how many images each has a line of its own."""

_EPILOG = """\b
Example:
  client evaluate held-out.tsv --images photos/"""


@click.command(cls=Command, epilog=_EPILOG)
@data_argument
@model_option()
@version_option
@multi_label_option
@click.option("--each", is_flag=True, help=f"Print a line for each image, even of more than {_SHOWN_IMAGES}.")
@server_options
def evaluate(
    data: Path,
    images: Path | None,
    label: str,
    model: str | None,
    version: int | None,
    multi_label: bool,
    each: bool,
    server: Server,
    as_json: bool,
) -> int:
    """Evaluate a model on the labelled images of DATA.

    DATA is what `client train` takes; nothing of it is kept. Use images that the model was not trained on. Of more
    than 20 images, only those that are predicted wrongly have a line of their own.
    """
    from lastlayer.client.commands.interface.data import read_argument
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.commands.interface.notices import tell_failures, tell_notes
    from lastlayer.client.errors import InvalidInputError
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.progress import image_progress
    from lastlayer.client.output.results import console, print_evaluation
    from lastlayer.client.results.evaluations import ExampleEvaluation

    name, number = said(None, model, version)
    known = read_argument(data, images, label, held_out=True, multi_label=multi_label)
    all_shown = each or len(known.examples) <= _SHOWN_IMAGES
    told: list[ExampleEvaluation] = []
    with (
        server.client() as client,
        image_progress("Evaluating", len(known.examples)) as tell_image,
    ):

        def note(example: ExampleEvaluation) -> None:
            tell_image(example)
            if all_shown or example.wrong:
                told.append(example)

        evaluation = client.evaluate(
            known.examples, model=choose(client, name), version=number, multi_label=multi_label, on_example=note
        )
    if evaluation.multi_label_metrics is not None and not multi_label:
        raise InvalidInputError(
            f"Images may have several labels for the model `{evaluation.model}`: evaluate it with --multi-label."
        )
    trimmed = known.trimmed + evaluation.trimmed
    tell_notes(known, trimmed)
    tell_failures([(entry.image, entry.error) for entry in evaluation.failed])
    if as_json:
        print_json({**result_json(evaluation), "trimmed_labels": trimmed})
    else:
        print_evaluation(console(), evaluation, told)
    return SOME_FAILED if evaluation.failed else DONE
