"""The command `featurizer embed`."""

import click

from lastlayer.featurizer.commands.interface import InputError, backbone_option, read_settings, shown_progress
from lastlayer.rpc.system.help import example

# The rest is imported where it is used, so that --help answers at once.


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


@click.command(
    epilog=example(
        "featurizer embed photos/ --to features/ --label-from folder",
        "featurizer embed s3://bucket/more/ --to features/",
    )
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--to", required=True, metavar="OUT", help="The folder of Parquet files to write, a path or a URL.")
@backbone_option
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
        raise InputError("--num-cpus, --num-gpus and --actors go with --ray.")
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

    settings = read_settings(backbone=backbone)
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
        with native_lines_held(), shown_progress() as (_say, progress):
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
        raise InputError(str(error)) from error
    except (FetchError, BulkError) as error:
        raise click.ClickException(escape(str(error))) from error
    except OSError as error:
        raise click.ClickException(
            f"Files cannot be read or written for now: {escape(str(error))}. Repeat the command to go on where it "
            "stopped."
        ) from error
    failed = f", {outcome.failed:,} without features: see _failed.tsv" if outcome.failed else ""
    click.echo(f"{outcome.images:,} images in {outcome.shards:,} shards{failed}: {to}")
