"""`client drift`, `compare`, `rollback` and `export`: versions in use, side by side, back in use, elsewhere."""

from pathlib import Path

import click

from lastlayer.client.commands.interface.completion import complete_model
from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    SOME_FAILED,
    model_argument,
    model_option,
    server_options,
    version_option,
)
from lastlayer.client.commands.interface.server import Server

_DRIFT_EPILOG = """\b
Exit status:
  0    no drift, or none that could be told
  1    the images that come are other than those that were trained on

\b
Example:
  client drift flowers"""


@click.command(cls=Command, epilog=_DRIFT_EPILOG)
@model_argument()
@model_option()
@version_option
@server_options
def drift(named: str | None, model: str | None, version: int | None, server: Server, as_json: bool) -> int:
    """Say whether the images that come to a model are like those that it was trained on.

    What the server predicted since it started, or since another version became the default, is compared with the
    training images, 50 and more images at a time.
    """
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.commands.interface.notices import tell_drift
    from lastlayer.client.output.comparison import print_drift
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.results import console

    name, number = said(named, model, version)
    with server.client() as client:
        found = client.drift(choose(client, name), number)
    if as_json:
        print_json(result_json(found))
    else:
        print_drift(console(), found)
        tell_drift(found)
    return SOME_FAILED if found.drifting else DONE


@click.command(cls=Command, epilog="\b\nExample:\n  client compare flowers:1 flowers:2")
@model_argument("one", required=True)
@model_argument("other", required=True)
@server_options
def compare(one: str, other: str, server: Server, as_json: bool) -> int:
    """Compare two versions: how they were trained, and what to expect of them on new images."""
    from lastlayer.client.commands.interface.models import parse
    from lastlayer.client.output.comparison import print_comparison
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.results import console

    with server.client() as client:
        first, second = (client.get_version(*parse(name)) for name in (one, other))
    if as_json:
        for version in (first, second):
            print_json(result_json(version))
    else:
        print_comparison(console(), first, second)
    return DONE


@click.command(cls=Command, epilog="\b\nExample:\n  client rollback flowers")
@click.argument("named", metavar="[MODEL]", required=False, shell_complete=complete_model)
@model_option()
@click.option(
    "--to",
    "number",
    type=click.IntRange(min=1),
    metavar="N",
    help="The version to go back to; the one before if not given.",
)
@server_options
def rollback(named: str | None, model: str | None, number: int | None, server: Server, as_json: bool) -> int:
    """Go back to the version of MODEL before the one that predictions use now."""
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.errors import InvalidInputError
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.rpc.observability.escape import escape

    name, wanted = said(named, model, number)
    number = wanted or None
    with server.client() as client:
        chosen = choose(client, name)
        before = client.get_model(chosen).default_version
        if number is None:
            older = [entry.version for entry in client.list_versions(chosen) if entry.version < before]
            if not older:
                raise InvalidInputError(
                    f"Version {before} is the oldest of the model `{chosen}`; there is none before."
                )
            number = max(older)
        changed = client.set_default_version(chosen, number)
    if as_json:
        print_json({**result_json(changed), "before": before})
    elif changed.default_version == before:
        click.echo(f"Model {escape(changed.name)} uses version {before}, as it did before.")
    else:
        click.echo(
            f"Model {escape(changed.name)} now uses version {changed.default_version}; before, version {before}."
        )
    return DONE


@click.command(cls=Command, epilog="\b\nExample:\n  client export flowers --to head.onnx")
@model_argument()
@model_option()
@version_option
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write: FILE.onnx for any ONNX runtime, or FILE.npz for NumPy.",
)
@server_options
def export(
    named: str | None,
    model: str | None,
    version: int | None,
    target: Path,
    server: Server,
    as_json: bool,
) -> int:
    """Write the head of a model to a file, to predict from feature vectors elsewhere."""
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.errors import ClientError, InvalidInputError
    from lastlayer.client.output.files import write_file
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.rpc.observability.escape import escape

    name, number = said(named, model, version)
    suffix = target.suffix.lower()
    if suffix not in (".onnx", ".npz"):
        raise InvalidInputError(f"`{target}` cannot be written: its name must end with .onnx or .npz.")
    try:
        from lastlayer.client.export.npz import to_npz

        if suffix == ".onnx":
            from lastlayer.client.export.onnx import to_onnx
    except ImportError as error:
        raise ClientError(
            "Exporting needs libraries that are not installed: `pip install 'lastlayer[export]'` does that."
        ) from error
    with server.client() as client:
        head = client.get_head(choose(client, name), number)
    write_file(to_onnx(head) if suffix == ".onnx" else to_npz(head), target)
    if as_json:
        print_json({"model": head.model, "version": head.version, "file": str(target)})
    else:
        click.echo(f"Version {head.version} of model {escape(head.model)} written: {escape(str(target))}")
    return DONE
