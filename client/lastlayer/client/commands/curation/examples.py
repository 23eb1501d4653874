"""`client add`, `relabel`, `remove` and `review`: what a dataset has, put right."""

import contextlib
import difflib
import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    data_options,
    dataset_option,
    model_option,
    multi_label_option,
    server_options,
    thumbnails_option,
    version_option,
    views_option,
    yes_option,
)
from lastlayer.client.commands.interface.questions import ask, can_ask, confirm
from lastlayer.client.commands.interface.server import Server
from lastlayer.client.commands.interface.style import tell

if TYPE_CHECKING:
    from lastlayer.client.api import Client

_SHA256_DIGITS: Final = range(8, 65)
"""How many hexadecimal digits name an image by the beginning of its sha256."""

_ID_PREFIX: Final = "id:"
"""What goes before an id that could also be a file or the beginning of a sha256."""


_ADD_EPILOG: Final = """\b
Example:
  client add tulips.tsv --dataset flowers
  client add --features features/ --dataset flowers"""


@click.command(cls=Command, epilog=_ADD_EPILOG)
@click.argument("data", type=click.Path(path_type=Path), required=False)
@data_options
@click.option(
    "--features",
    metavar="OUT",
    help="In place of DATA: a folder or URL to which `featurizer embed` or `client datasets export` wrote.",
)
@dataset_option
@multi_label_option
@views_option
@thumbnails_option
@server_options
def add(
    data: Path | None,
    images: Path | None,
    label: str,
    features: str | None,
    dataset: str,
    multi_label: bool,
    views: tuple[str, ...],
    no_thumbnails: bool,
    server: Server,
    as_json: bool,
) -> int:
    """Add the labelled images of DATA to a dataset, without training.

    DATA is what `client train` takes: a folder or zip of classes, a TSV or CSV file, a project of Teachable Machine, or
    the JSON file of Azure Custom Vision's images. Images that are there already are not sent again. With --features the
    examples bring their vectors, so that no image is sent, and no picture of it is kept.
    """
    from lastlayer.client.commands.interface.data import read_argument
    from lastlayer.client.commands.train import add_all, added_json
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.client.output.results import console, print_added

    if (data is None) == (features is None):
        raise click.UsageError("Give DATA, or --features OUT.")
    if features is not None:
        for option, given in (
            ("--images", images is not None),
            ("--label", bool(label)),
            ("--multi-label", multi_label),
            ("--no-thumbnails", no_thumbnails),
        ):
            if given:
                raise click.UsageError(f"{option} goes with DATA.")
        return _add_features(features, dataset, server, as_json)
    assert data is not None  # noqa: S101 - as above
    known = read_argument(data, images, label, multi_label=multi_label)
    with server.client() as client:
        added = add_all(client, known, dataset, thumbnails=not no_thumbnails, views=views, multi_label=multi_label)
    if as_json:
        print_json({"dataset": dataset, **added_json(known, added)})
    else:
        print_added(console(), dataset, added)
    return SOME_FAILED if added.failed else DONE


def _add_features(folder: str, dataset: str, server: Server, as_json: bool) -> int:
    from lastlayer.client.commands.interface.notices import tell_failures, tell_relabelled
    from lastlayer.client.data.shards import Shards
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.progress import image_progress
    from lastlayer.client.output.results import console, print_added

    count = max(1, Shards(folder).manifest.rows)
    with server.client() as client, image_progress("Adding", count) as tell_image:
        added = client.add_features(folder, dataset=dataset, on_outcome=tell_image)
    tell_relabelled(added.relabelled)
    tell_failures([(entry.image, entry.error) for entry in added.failed])
    if as_json:
        print_json({"dataset": dataset, **result_json(added)})
    else:
        print_added(console(), dataset, added)
    return SOME_FAILED if added.failed else DONE


@click.command(cls=Command, epilog="\b\nExample:\n  client relabel img12.jpg --to daisy --dataset flowers")
@click.argument("examples", metavar="EXAMPLE...", nargs=-1, required=True)
@click.option(
    "--to",
    "labels",
    required=True,
    multiple=True,
    metavar="LABEL",
    help="The label that they get in place of all others. In a multi-label dataset it may be repeated, or empty: then "
    "they have none.",
)
@dataset_option
@yes_option("Make a new class")
@server_options
def relabel(
    examples: tuple[str, ...], labels: tuple[str, ...], dataset: str, yes: bool, server: Server, as_json: bool
) -> int:
    """Give each EXAMPLE of a dataset another label.

    The label holds: `client add` and `client train` do not bring the old one back.

    An EXAMPLE is an image file, the id that `client review` prints, or the first digits of its sha256, at least
    8 and an even number. `id:ID` is always taken for an id.
    """
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.rpc.observability.escape import escape

    keys = keys_of(examples)
    with server.client() as client, naming(keys, dataset):
        news = "" if yes else " ".join(filter(None, (ask_for_new_class(client, dataset, label) for label in labels)))
        given = labels[0] if len(labels) == 1 else labels
        changed, known = client.relabel_examples(dataset, list(keys), given)
    if news:
        tell("Note", news)
    if as_json:
        print_json({"changed": changed, **result_json(known)})
    else:
        rest = "; the others had that label alone already" if changed < len(keys) else ""
        named = ", ".join(escape(label) for label in labels if label.strip()) or "with no label"
        click.echo(f"Dataset {escape(dataset)}: {changed} of {len(keys)} relabelled {named}{rest}.")
    return DONE


@click.command(cls=Command, epilog="\b\nExample:\n  client remove img12.jpg --dataset flowers --yes")
@click.argument("examples", metavar="EXAMPLE...", nargs=-1, required=True)
@dataset_option
@yes_option("Remove")
@server_options
def remove(examples: tuple[str, ...], dataset: str, yes: bool, server: Server, as_json: bool) -> int:
    """Remove each EXAMPLE from a dataset or its pool; models that were trained on it stay.

    An EXAMPLE is what `client relabel` takes.
    """
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.rpc.observability.escape import escape

    keys = keys_of(examples)
    what = "1 example" if len(keys) == 1 else f"{len(keys)} examples"
    confirm(f"Remove {what} from the dataset {escape(dataset)}?", yes, what="Removing")
    with server.client() as client, naming(keys, dataset):
        removed, known = client.remove_examples(dataset, list(keys))
    if as_json:
        print_json({"removed": removed, **result_json(known)})
    else:
        click.echo(f"Dataset {escape(dataset)}: {removed} removed, {known.example_count} left to train on.")
    return DONE


@click.command(cls=Command, epilog="\b\nExample:\n  client review --model flowers --limit 20")
@model_option()
@version_option
@click.option("--mistakes", is_flag=True, help="List the examples that cross-validation predicted wrongly instead.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="How many to list."
)
@server_options
def review(
    model: str | None,
    version: int | None,
    mistakes: bool,
    limit: int,
    server: Server,
    as_json: bool,
) -> int:
    """List training examples whose label is probably wrong, the most suspicious first."""
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_review, short_sha256
    from lastlayer.client.output.results import console
    from lastlayer.rpc.observability.escape import escape

    name, number = said(None, model, version)
    kind = "mistakes" if mistakes else "suspicious"
    with server.client() as client:
        chosen = choose(client, name)
        found = client.review_examples(chosen, version=number, kind=kind, limit=limit)
        dataset = client.get_version(chosen, number).dataset if found.examples else ""
    if as_json:
        for entry in found.examples:
            print_json(result_json(entry))
    elif found.examples:
        print_review(console(), found)
        worst = found.examples[0]
        to = [word for label in worst.labels_put_right for word in ("--to", label)]
        words = ["client", "relabel", short_sha256(worst.example), *to, "--dataset", dataset]
        if click.get_current_context().get_parameter_source("server") is ParameterSource.COMMANDLINE:
            words += ["--server", server.address]
        command = shlex.join(words)
        if escape(command) == command:  # what cannot be shown as it is cannot be pasted either
            click.echo(f"If the first one's label is wrong: {command}")
    else:
        click.echo("There are no mistakes." if mistakes else "No label is suspicious.")
    return DONE


def ask_for_new_class(client: "Client", dataset: str, label: str, *, alike_only: bool = False) -> str:
    """Ask whether to make a new class where a label is none of a dataset that has others.

    With `alike_only`, do so only where a class has nearly this name, so that it may be a slip. Return what to say of
    the new class where nobody could be asked, else nothing.
    """
    from lastlayer.rpc.observability.escape import escape

    label = label.strip()
    if not label:
        return ""
    classes = client.get_dataset(dataset).classes
    close = difflib.get_close_matches(label, classes, n=1)
    if not classes or label in classes or (alike_only and not close):
        return ""
    hint = f"like {escape(close[0])}" if close else ", ".join(map(escape, [*classes][:5]))
    news = f"{escape(label)} is a new class of the dataset {escape(dataset)}, which has others ({hint})."
    if not can_ask():
        return news
    tell("Note", news)
    ask("Make it?")
    return ""


def keys_of(examples: Sequence[str]) -> dict[str | bytes, str]:
    """Return, by how the server knows it, each example as it was given: each once, in order."""
    return {_key(example): example for example in examples}


def _key(example: str) -> str | bytes:
    """Return how the server knows an example: by the sha256 of its image, or by its id."""
    if example.startswith(_ID_PREFIX):
        return example.removeprefix(_ID_PREFIX)
    if os.path.isfile(example):  # noqa: PTH113 - Path.is_file fails where an id is too long to be a name
        from lastlayer.client.data.images import read_chunks

        digest = hashlib.sha256()
        for chunk in read_chunks(Path(example)):
            digest.update(chunk)
        return digest.digest()
    if len(example) in _SHA256_DIGITS and re.fullmatch("[0-9a-fA-F]+", example):
        if len(example) % 2:
            from lastlayer.client.errors import InvalidInputError

            raise InvalidInputError(
                f"`{example}` has an odd number of digits; a sha256 is looked up by whole bytes: give one more or "
                f"less, or `{_ID_PREFIX}{example}` where it is an id."
            )
        return bytes.fromhex(example)
    return example


@contextlib.contextmanager
def naming(keys: Mapping[str | bytes, str], dataset: str, *, pool: bool = False) -> Iterator[None]:
    """Name an example that the dataset does not have as it was given, which the server does not know.

    With `pool` it was meant to be an image of the dataset's pool.
    """
    from lastlayer.client.errors import NotFoundError

    try:
        yield
    except NotFoundError as error:
        if error.metadata.get("resource") != "example":
            raise
        missing = error.metadata.get("name", "")
        names = {key.hex() if isinstance(key, bytes) else key: given for key, given in keys.items()}
        given = names.get(missing, missing)
        text = (
            f"`{given}` is no image of the dataset `{dataset}` or its pool; `client pool list --dataset {dataset}`"
            " lists what waits there."
            if pool
            else f"`{given}` is no example of the dataset `{dataset}`, which has those that `client datasets show"
            f" {dataset} --examples` lists."
        )
        raise NotFoundError(
            text,
            code=error.code,
            reason=error.reason,
            metadata=error.metadata,
        ) from error
