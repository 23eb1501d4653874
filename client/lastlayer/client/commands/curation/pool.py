"""`client pool`, `next` and `label`: images without a label, which of them to label first, and their labels."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastlayer.client.commands.curation.examples import ask_for_new_class, keys_of, naming
from lastlayer.client.commands.interface.help import Command, ListingGroup
from lastlayer.client.commands.interface.notices import tell_command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    dataset_option,
    server_options,
    thumbnails_option,
    views_option,
    yes_option,
)
from lastlayer.client.commands.interface.server import Server
from lastlayer.client.commands.interface.style import tell

if TYPE_CHECKING:
    from lastlayer.client.results.curation import NextExamples
    from lastlayer.client.results.datasets import Dataset


@click.group(cls=ListingGroup, epilog="\b\nExample:\n  client pool add new-photos/ --dataset flowers")
def pool() -> None:
    """Add images without a label to a dataset's pool, or list them.

    They wait there for a label: `client next` says which to label first, `client label` does it, and `client remove`
    takes them out.
    """


@pool.command("add", epilog="\b\nExample:\n  client pool add new-photos/ --dataset flowers")
@click.argument("folder", type=click.Path(path_type=Path))
@dataset_option
@views_option
@thumbnails_option
@server_options
def add_to_pool(
    folder: Path, dataset: str, views: tuple[str, ...], no_thumbnails: bool, server: Server, as_json: bool
) -> int:
    """Add the images of FOLDER to a dataset's pool, without a label.

    FOLDER is a folder, with all folders in it, or a zip, or one image. Images that are there already are not sent
    again, and those that have a label keep it: what broke off is simply run again.
    """
    from lastlayer.client.commands.interface.notices import tell_failures, tell_notes
    from lastlayer.client.data.labelled import read_unlabelled
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.progress import image_progress
    from lastlayer.client.output.results import console, print_pooled

    found = read_unlabelled(folder)
    with server.client() as client, image_progress("Adding", len(found.examples)) as tell_image:
        pooled = client.add_to_pool(
            found, dataset=dataset, thumbnails=not no_thumbnails, views=views, on_outcome=tell_image
        )
    tell_notes(found, 0)
    tell_failures([(entry.image, entry.error) for entry in pooled.failed])
    if as_json:
        print_json({"dataset": dataset, **result_json(pooled)})
    else:
        print_pooled(console(), dataset, pooled)
        if pooled.added or pooled.present:
            tell_command("client", "next", dataset=dataset)
    return SOME_FAILED if pooled.failed else DONE


@pool.command("list", epilog="\b\nExample:\n  client pool list --dataset flowers")
@dataset_option
@server_options
def list_pool(dataset: str, server: Server, as_json: bool) -> int:
    """List the images of a dataset's pool, in order of arrival."""
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_pool
    from lastlayer.client.output.results import console

    with server.client() as client:
        found = list(client.list_examples(dataset, pool=True))
    if as_json:
        for image in found:
            moment = image.pool_time.isoformat() if image.pool_time is not None else None
            print_json({**result_json(image), "source": image.source, "pool_time": moment})
    else:
        print_pool(console(), found)
    return DONE


@click.command("next", cls=Command, epilog="\b\nExample:\n  client next --dataset flowers -k 5")
@dataset_option
@click.option(
    "-k", "count", type=click.IntRange(1, 200), default=20, show_default=True, metavar="N", help="How many to show."
)
@server_options
def next_images(dataset: str, count: int, server: Server, as_json: bool) -> int:
    """Say which images of a dataset's pool to label next, the most useful first.

    While there are no two classes they are typical of many others; then they are also those of which it is not clear
    what they are, each with a guess. No two of them are near duplicates.
    """
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_next
    from lastlayer.client.output.results import console

    with server.client() as client:
        found = client.next_examples(dataset, count=count)
    if as_json:
        for entry in found.examples:
            print_json({**result_json(entry), "strategy": found.strategy})
        return DONE
    print_next(console(), dataset, found, asked=count)
    _tell_after_next(dataset, found)
    return DONE


def _tell_after_next(dataset: str, found: "NextExamples") -> None:
    from lastlayer.client.output.resources import short_sha256
    from lastlayer.rpc.observability.escape import escape

    if found.stale_count:
        images = "1 image" if found.stale_count == 1 else f"{found.stale_count:,} images"
        tell(
            "Note",
            f"{images} of the pool cannot be suggested, as another network featurized them: run `client move"
            f" {escape(dataset)} FOLDER` with the folder where they are.",
        )
    if found.examples:
        # Never with the guess, which would be pasted whether it is right or not.
        chosen = short_sha256(found.examples[0].example)
        tell_command("client", "label", chosen, "--to", "CLASS", dataset=dataset)
    elif not found.pool_count:
        tell_command("client", "pool", "add", "FOLDER", dataset=dataset)


@click.command(cls=Command, epilog="\b\nExample:\n  client label img12.jpg img13.jpg --to daisy --dataset flowers")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--to",
    "labels",
    multiple=True,
    metavar="CLASS",
    help="The class that they show. In a multi-label dataset it may be repeated, or empty: then they have no label.",
)
@click.option("--to-pool", is_flag=True, help="Take their labels away, and put them back into the pool.")
@dataset_option
@yes_option("Make a new class")
@server_options
def label(
    images: tuple[str, ...],
    labels: tuple[str, ...],
    to_pool: bool,
    dataset: str,
    yes: bool,
    server: Server,
    as_json: bool,
) -> int:
    """Give each IMAGE of a dataset's pool its class, by which it becomes an example to train on.

    An IMAGE is an image file, the id that `client next` prints, or the first digits of its sha256, at least 8 and an
    even number. `id:ID` is always taken for an id. An example that has a label already gets the new one.
    """
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.rpc.observability.escape import escape

    if bool(labels) is to_pool:
        raise click.UsageError("Give --to CLASS, or --to-pool.")
    keys = keys_of(images)
    news = ""
    with server.client() as client, naming(keys, dataset, pool=True):
        if to_pool:
            changed, known = client.unlabel_examples(dataset, list(keys))
        else:
            if not yes:
                asked = (ask_for_new_class(client, dataset, label, alike_only=True) for label in labels)
                news = " ".join(filter(None, asked))
            given = labels[0] if len(labels) == 1 else labels
            changed, known = client.relabel_examples(dataset, list(keys), given)
    if news:
        tell("Note", news)
    if as_json:
        print_json({"changed": changed, **result_json(known)})
        return DONE
    named = ", ".join(escape(label.strip()) for label in labels if label.strip()) or "with no label"
    done = "back in the pool" if to_pool else f"labelled {named}"
    rest = f"; the others were {'there' if to_pool else 'that'} already" if changed < len(keys) else ""
    labelled = "1 has" if known.example_count == 1 else f"{known.example_count:,} have"
    left = "1 waits" if known.pool_count == 1 else f"{known.pool_count:,} wait"
    click.echo(f"Dataset {escape(dataset)}: {changed} of {len(keys)} {done}{rest}. {labelled} a label, {left} for one.")
    _tell_after_label(known)
    return DONE


def _tell_after_label(known: "Dataset") -> None:
    if known.pool_count:
        tell_command("client", "next", dataset=known.name)
    if len(known.classes) > 1:
        tell_command("client", "train", model=known.name)
