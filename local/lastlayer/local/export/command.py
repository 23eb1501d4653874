"""The command `lastlayer export`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastlayer.client.commands.interface.help import Command
from lastlayer.client.commands.interface.options import (
    DONE,
    model_argument,
    model_option,
    server_options,
    version_option,
)
from lastlayer.client.commands.interface.server import Server
from lastlayer.rpc.system.help import example

if TYPE_CHECKING:
    from lastlayer.local.export.run import Exported

# The rest is imported where it is used, so that --help answers at once.


@click.command(
    cls=Command,
    epilog=example("lastlayer export flowers --to app.tflite --quantize", "lastlayer export flowers --to flowers.onnx"),
)
@model_argument()
@model_option()
@version_option
@click.option(
    "--to",
    "target",
    required=True,
    type=click.Path(path_type=Path),
    metavar="TARGET",
    help="What to write: FILE.tflite, FILE.onnx, or a folder, whose name has no ending, for a SavedModel.",
)
@click.option(
    "--quantize", is_flag=True, help="Write weights in 8 bits, a quarter of the size and less exact; FILE.tflite alone."
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A folder of photos to compare on; small pictures of the training images, or generated ones, if not given.",
)
@click.option(
    "--backbone",
    metavar="NAME",
    help="The network that the model was trained with, where it is not built in: the path of its TOML file; also "
    "LASTLAYER_BACKBONE in the environment.",
)
@click.option("--overwrite", is_flag=True, help="Take the place of what TARGET names.")
@server_options
def export(
    named: str | None,
    model: str | None,
    version: int | None,
    target: Path,
    quantize: bool,
    images: Path | None,
    backbone: str | None,
    overwrite: bool,
    server: Server,
    as_json: bool,
) -> int:
    """Write a whole model as one file: pixels in, probabilities out, network and head in it.

    The file first predicts beside the service. It is written only where its best classes are the same, and its
    probabilities within 0.001.
    """
    from lastlayer.rpc.system.extras import explain_missing

    if sentence := explain_missing("featurizer"):
        raise click.ClickException(sentence)
    from lastlayer.client.commands.interface.models import choose, said
    from lastlayer.client.errors import ClientError
    from lastlayer.featurizer.errors import BackboneError, ConversionError, FetchError
    from lastlayer.featurizer.weights.progress import progress_lines
    from lastlayer.local.export.run import Wanted
    from lastlayer.local.export.run import export as run
    from lastlayer.rpc.observability.escape import escape
    from lastlayer.rpc.observability.quiet import native_lines_held
    from lastlayer.rpc.settings import SettingsError

    def say(sentence: str) -> None:
        click.echo(escape(sentence), err=True)

    try:
        name, number = said(named, model, version)
        with native_lines_held(), server.client() as client:
            wanted = Wanted(choose(client, name), number, target, quantize, overwrite, backbone, images)
            exported = run(client, wanted, progress_lines(say), say)
    except (BackboneError, ClientError, ConversionError, FetchError, SettingsError) as error:
        raise click.ClickException(escape(str(error))) from error
    except OSError as error:
        raise click.ClickException(f"`{target}` cannot be written: {error.strerror or error}.") from error
    if as_json:
        click.echo(json.dumps(_as_json(exported, target)))
    else:
        _print(exported, target)
    return DONE


def _as_json(exported: "Exported", target: Path) -> dict[str, object]:
    return {
        "model": exported.head.model,
        "version": exported.head.version,
        "file": str(target),
        "format": exported.format,
        "bytes": exported.bytes,
        "width": exported.width,
        "height": exported.height,
        "labels": exported.head.labels,
        "compared_on": exported.images,
        "precision_of_service": exported.precision,
        "beside_service": asdict(exported.service),
        "beside_float32": None if exported.exact is None else asdict(exported.exact),
        "given_jpeg_files": None if exported.decoding is None else asdict(exported.decoding),
    }


def _print(exported: "Exported", target: Path) -> None:
    from lastlayer.rpc.observability.escape import escape

    head = exported.head
    sides = [(f"Beside the service, which computes in {exported.precision}", exported.service)]
    sides += [("Beside network and head in float32", exported.exact)] if exported.exact else []
    sides += [("Given JPEG files, which it decodes itself", exported.decoding)] if exported.decoding else []
    for what, side in sides:
        click.echo(
            f"{what}: the same best class on {side.same} of {side.images} images, probabilities differ by "
            f"{side.largest:.1e} at most and {side.mean:.1e} on average"
        )
    size = f"{exported.bytes / 1e6:.1f} MB" if exported.bytes >= 1e5 else f"{exported.bytes / 1e3:.1f} kB"
    click.echo(f"Version {head.version} of model {escape(head.model)} written: {escape(str(target))} ({size})")
    click.echo(
        f"It takes images, uint8 [n, {exported.height}, {exported.width}, 3], and yields probabilities, float32 "
        f"[n, {len(head.labels)}]"
    )
