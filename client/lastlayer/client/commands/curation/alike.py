"""`client similar` and `map`: which images of a dataset are alike."""

from pathlib import Path
from typing import Final

import click

from lastlayer.client.commands.curation.examples import keys_of, naming
from lastlayer.client.commands.interface.completion import complete_dataset, complete_model
from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    MODEL_VARIABLE,
    dataset_option,
    server_options,
)
from lastlayer.client.commands.interface.server import Server
from lastlayer.client.transport.defaults import DEFAULT_MODEL, TRAIN_TIMEOUT_S

_SIMILAR_EPILOG: Final = """\b
Example:
  client similar new.jpg --dataset flowers
  client similar --example daisy/12.jpg --dataset flowers --html like-12.html"""

_METHODS: Final = ("auto", "neighbors", "pca")


@click.command(cls=Command, epilog=_SIMILAR_EPILOG)
@click.argument("image", type=click.Path(path_type=Path), required=False)
@click.option(
    "--example",
    metavar="EXAMPLE",
    help="In place of IMAGE: an example of the dataset or its pool, as `client relabel` takes it.",
)
@dataset_option
@click.option(
    "-n", "--count", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="How many to list."
)
@click.option("--label", default="", metavar="LABEL", help="Only images that have this label.")
@click.option("--pool", is_flag=True, help="Find images of the dataset's pool, too.")
@click.option(
    "--html", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with the photos, too."
)
@server_options
def similar(
    image: Path | None,
    example: str | None,
    dataset: str,
    count: int,
    label: str,
    pool: bool,
    target: Path | None,
    server: Server,
    as_json: bool,
) -> int:
    """List the images of a dataset that are most like IMAGE, the nearest first.

    The distance is 0 for the same image and 1 for images that have nothing in common.
    """
    from lastlayer.client.data.images import read_image
    from lastlayer.client.output.files import write_file
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_similar
    from lastlayer.client.output.results import console
    from lastlayer.rpc.observability.escape import escape

    if (image is None) == (example is None):
        raise click.UsageError("Give IMAGE, or --example EXAMPLE.")
    if target is not None:
        _check_target(target)
        _check_extra()
    content = None if image is None else read_image(image)
    keys = keys_of([] if example is None else [example])
    with server.client() as client, naming(keys, dataset):
        found = client.similar(
            dataset,
            content,
            example=next(iter(keys), None),
            count=count,
            label=label,
            pool=pool,
            thumbnails=target is not None,
        )
    if target is not None:
        from lastlayer.client.report.similar.page import render_similar

        page = render_similar(found, dataset, str(image.name if image else example), content or b"")
        write_file(page.encode("utf-8", "replace"), target)
    if as_json:
        for entry in found.examples:
            print_json(result_json(entry))
        return DONE
    print_similar(console(), dataset, found)
    if target is not None:
        click.echo(f"Written: {escape(str(target))}")
    return DONE


@click.command("map", cls=Command, epilog="\b\nExample:\n  client map flowers --to map.html")
@click.argument(
    "dataset",
    envvar=MODEL_VARIABLE,
    default=DEFAULT_MODEL,
    metavar="[DATASET]",
    shell_complete=complete_dataset,
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    default=Path("map.html"),
    show_default=True,
    metavar="FILE",
    help="The page to write.",
)
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    default="auto",
    show_default=True,
    help="`neighbors` keeps what is alike together, `pca` is quick; `auto` is the former where the server has it.",
)
@click.option(
    "--limit",
    type=click.IntRange(10, 100_000),
    default=10_000,
    show_default=True,
    metavar="N",
    help="The most images; of more, a sample that is the same each time.",
)
@click.option("--pool", is_flag=True, help="Lay the images of the dataset's pool out, too.")
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_model,
    help="Whose suspicious labels are marked; the model that is called like the dataset, if there is one.",
)
@server_options
def map_images(
    dataset: str,
    target: Path,
    method: str,
    limit: int,
    pool: bool,
    model: str | None,
    server: Server,
    as_json: bool,
) -> int:
    """Write a page with a map of DATASET: its images in two dimensions, alike ones near each other.

    Classes have colours, and what is probably labelled wrongly or has several labels is marked. The page has the photos
    and needs no network.
    """
    from lastlayer.client.errors import NotFoundError
    from lastlayer.client.output.files import write_file
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.client.output.progress import train_progress
    from lastlayer.rpc.observability.escape import escape

    _check_target(target)
    _check_extra()
    from lastlayer.client.report.map.gather import gather_map
    from lastlayer.client.report.map.page import PHOTO_BYTES, render_map

    with server.client() as client, train_progress("Map") as tell:
        if model is None:
            try:
                model = client.get_model(dataset).name
            except NotFoundError:
                model = ""
        pictured = gather_map(
            client,
            dataset,
            method=method,
            max_examples=limit,
            pool=pool,
            model=model,
            most_bytes=PHOTO_BYTES,
            timeout_s=server.timeout_s or TRAIN_TIMEOUT_S,
            on_progress=tell,
        )
    page = render_map(pictured).encode("utf-8", "replace")
    write_file(page, target)
    found = pictured.map
    suspicious = sum(point.suspicious for point in found.points)
    if as_json:
        print_json(
            {
                "dataset": dataset,
                "map": str(target),
                "bytes": len(page),
                "method": found.method,
                "images": len(found.points),
                "of": found.example_count,
                "stale": found.stale_count,
                "suspicious": suspicious,
                "photos": len(pictured.photos),
            }
        )
    else:
        of = f" of {found.example_count:,}" if found.example_count > len(found.points) else ""
        click.echo(f"Written: {escape(str(target))} ({len(found.points):,}{of} images, {len(page) / 1e6:.1f} MB)")
    return DONE


def _check_target(target: Path) -> None:
    """Refuse what cannot be written, before anything is asked of the server."""
    from lastlayer.client.errors import InvalidInputError

    if target.is_dir():
        raise InvalidInputError(f"`{target}` is a folder; name a file, such as {target / 'page.html'}.")
    if not target.parent.is_dir():
        raise InvalidInputError(f"There is no folder `{target.parent}` to write `{target.name}` in.")


def _check_extra() -> None:
    """Refuse to write pages where what draws them is not installed."""
    from lastlayer.client.errors import ClientError

    try:
        import jinja2  # noqa: F401 - only whether it can be

        import lastlayer.client.output.heatmap  # noqa: F401
    except ImportError as error:
        raise ClientError(
            "A page with photos needs Jinja, NumPy and Pillow, which are not all installed: "
            "`pip install 'lastlayer[report]'` does that."
        ) from error
