"""`client evaluate`: compares a model's predictions with true labels."""

from pathlib import Path

import click

from lastlayer.client.cli.options import (
    DONE,
    SOME_FAILED,
    Server,
    data_argument,
    model_option,
    server_options,
    version_option,
)

_EPILOG = """\b
Example:
  client evaluate held-out.tsv --images photos/"""


@click.command(epilog=_EPILOG)
@data_argument
@model_option
@version_option
@server_options
def evaluate(
    data: Path,
    images: Path | None,
    label: str,
    model: str,
    version: int | None,
    server: Server,
    as_json: bool,
) -> int:
    """Evaluate a model on the labelled images of DATA.

    DATA is what `client train` takes; nothing of it is kept. Use images that the model was not trained on.
    """
    from lastlayer.client.cli.data import read_argument
    from lastlayer.client.cli.notices import tell_failures, tell_notes
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.progress import image_progress
    from lastlayer.client.output.results import console, print_evaluation
    from lastlayer.client.results import ExampleEvaluation

    known = read_argument(data, images, label, held_out=True)
    wrong: list[ExampleEvaluation] = []
    with (
        server.client() as client,
        image_progress("Evaluating", len(known.examples)) as tell_image,
    ):

        def note(example: ExampleEvaluation) -> None:
            tell_image(example)
            if example.label_known and example.predicted is not None and example.predicted.label != example.label:
                wrong.append(example)

        evaluation = client.evaluate(known.examples, model=model, version=version or 0, on_example=note)
    trimmed = known.trimmed + evaluation.trimmed
    tell_notes(known, trimmed)
    tell_failures([(entry.image, entry.error) for entry in evaluation.failed])
    if as_json:
        print_json({**result_json(evaluation), "trimmed_labels": trimmed})
    else:
        print_evaluation(console(), evaluation, wrong)
    return SOME_FAILED if evaluation.failed else DONE
