"""`client add`, `relabel`, `remove` and `review`: what a dataset has, put right."""

import hashlib
import re
import shlex
from pathlib import Path

import click

from client.commands.options import (
    DONE,
    SOME_FAILED,
    confirm,
    data_argument,
    model_option,
    server_options,
    thumbnails_option,
    version_option,
    yes_option,
)
from client.defaults import DEFAULT_MODEL, DEFAULT_TIMEOUT_S

_dataset_option = click.option(
    "--dataset", default=DEFAULT_MODEL, show_default=True, metavar="NAME", help="The dataset."
)


@click.command(epilog="\b\nExample:\n  client add tulips.tsv --dataset flowers")
@data_argument
@_dataset_option
@thumbnails_option
@server_options
def add(
    data: Path,
    images: Path | None,
    dataset: str,
    no_thumbnails: bool,
    server: str,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    """Add the labelled images of DATA to a dataset, without training.

    DATA is what `client train` takes; images that are there already are not sent again.
    """
    from client.api import Client
    from client.commands.train import add_all
    from client.data import read_data
    from client.machine import added_json, print_json
    from client.render import console, print_added

    known = read_data(data, images)
    with Client(server, timeout_s=timeout_s or DEFAULT_TIMEOUT_S) as client:
        added = add_all(client, known, dataset, thumbnails=not no_thumbnails)
    if as_json:
        print_json({"dataset": dataset, **added_json(added, known.trimmed + added.trimmed)})
    else:
        print_added(console(), dataset, added)
    return SOME_FAILED if added.failed else DONE


@click.command(epilog="\b\nExample:\n  client relabel img12.jpg --to daisy --dataset flowers")
@click.argument("examples", metavar="EXAMPLE...", nargs=-1, required=True)
@click.option("--to", "label", required=True, metavar="LABEL", help="The label that they get in place of all others.")
@_dataset_option
@server_options
def relabel(
    examples: tuple[str, ...], label: str, dataset: str, server: str, timeout_s: float | None, as_json: bool
) -> int:
    """Give each EXAMPLE of a dataset another label.

    An EXAMPLE is an image file, the id that `client review` prints, or the first 8 or more digits of its sha256.
    """
    from client.api import Client
    from client.machine import dataset_json, print_json
    from client.text import shown

    keys = [_key(example) for example in examples]
    with Client(server, timeout_s=timeout_s or DEFAULT_TIMEOUT_S) as client:
        changed, known = client.relabel_examples(dataset, keys, label)
    if as_json:
        print_json({"changed": changed, **dataset_json(known)})
    else:
        click.echo(f"Dataset {shown(dataset)}: {changed} of {len(set(keys))} now have the label {shown(label)}.")
    return DONE


@click.command(epilog="\b\nExample:\n  client remove img12.jpg --dataset flowers --yes")
@click.argument("examples", metavar="EXAMPLE...", nargs=-1, required=True)
@_dataset_option
@yes_option
@server_options
def remove(
    examples: tuple[str, ...], dataset: str, yes: bool, server: str, timeout_s: float | None, as_json: bool
) -> int:
    """Remove each EXAMPLE from a dataset; models that were trained on it stay.

    An EXAMPLE is what `client relabel` takes.
    """
    from client.api import Client
    from client.machine import dataset_json, print_json
    from client.text import shown

    keys = [_key(example) for example in examples]
    confirm(f"Remove {len(set(keys))} examples from the dataset {shown(dataset)}?", yes)
    with Client(server, timeout_s=timeout_s or DEFAULT_TIMEOUT_S) as client:
        removed, known = client.remove_examples(dataset, keys)
    if as_json:
        print_json({"removed": removed, **dataset_json(known)})
    else:
        click.echo(f"Dataset {shown(dataset)}: {removed} removed, {known.example_count} left to train on.")
    return DONE


@click.command(epilog="\b\nExample:\n  client review --model flowers --limit 20")
@model_option
@version_option
@click.option("--mistakes", is_flag=True, help="List what was predicted wrongly while it was held out.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="How many.")
@server_options
def review(
    model: str,
    version: int | None,
    mistakes: bool,
    limit: int,
    server: str,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    """List training examples whose label is probably wrong, the most suspicious first."""
    from client.api import Client
    from client.machine import print_json, reviewed_json
    from client.render import console, print_review

    kind = "mistakes" if mistakes else "suspicious"
    with Client(server, timeout_s=timeout_s or DEFAULT_TIMEOUT_S) as client:
        found = client.review_examples(model, version=version or 0, kind=kind, limit=limit)
        dataset = client.get_version(model, version or 0).dataset if found.examples else ""
    if as_json:
        for entry in found.examples:
            print_json(reviewed_json(entry))
    elif found.examples:
        print_review(console(), found)
        worst = found.examples[0]
        name = worst.example.sha256.hex()[:12]
        command = ["client", "relabel", name, "--to", worst.suggested_label, "--dataset", dataset]
        click.echo(f"If the first one's label is wrong: {shlex.join(command)}")
    else:
        click.echo("There are no mistakes." if mistakes else "No label is suspicious.")
    return DONE


def _key(example: str) -> str | bytes:
    """Return how the server knows an example: by its sha256, or by its id."""
    path = Path(example)
    if path.is_file():
        from client.images import read_chunks

        digest = hashlib.sha256()
        for chunk in read_chunks(path):
            digest.update(chunk)
        return digest.digest()
    if re.fullmatch(r"(?:[0-9a-fA-F]{2}){4,32}", example):
        return bytes.fromhex(example)
    return example
