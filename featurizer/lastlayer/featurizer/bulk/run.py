"""A whole run: plans it or goes on with it, has its shards featurized, watches what fails, and writes the manifest."""

import importlib.metadata
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lastlayer.featurizer.bulk.embedder import Embedder
from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.output import Done, Output
from lastlayer.featurizer.bulk.plan import Plan, Run, check_same, read_plan, read_shard, write_plan
from lastlayer.featurizer.bulk.sources.finding import find_items
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.errors import BulkError
from lastlayer.featurizer.network.loading import Loaded
from lastlayer.rpc.vectors import View

_PACKAGES: Final = ("lastlayer", "tensorflow", "tensorflow-cpu", "openvino", "pillow", "numpy", "pyarrow")
"""Whose versions a manifest tells, where they are installed."""


@dataclass(frozen=True)
class Wanted:
    """What is to be featurized, and where to."""

    sources: Sequence[str]
    to: str
    taps: Sequence[str] = ()
    """All that the backbone has, where there are none."""
    views: Sequence[str] = ()
    """Labels of views; the crop alone where there are none."""
    dtype: str = "float32"
    label_from: str | None = None
    column: str | None = None
    shard_images: int = 10_000
    max_failed: float = 1.0
    """The share of images without features, from 0 to 1, above which a run ends."""
    storage_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Progress:
    """How far a run has come."""

    total: int
    done: int = 0
    failed: int = 0
    earlier: int = 0
    """How many images were done before this run."""


@dataclass(frozen=True)
class Outcome:
    """What has come of a run."""

    images: int
    failed: int
    shards: int


Featurize = Callable[[Plan, Output, Sequence[int]], Iterable[Done]]
"""Featurizes and commits shards of a plan, in any order; yields each that is done."""


def embed(
    wanted: Wanted,
    loaded: Loaded,
    featurize: Featurize,
    *,
    begun: Callable[[Progress], None] = lambda _: None,
    advanced: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Featurize all images of some sources into a folder of Parquet shards; goes on where an earlier run stopped.

    `begun` is called once the plan is known, `advanced` after each shard. Raises BulkError, or OSError where files
    cannot be read or written for now.
    """
    files = Files(wanted.storage_options)
    output = Output(wanted.to, files)
    plan = _plan(wanted, loaded, files, output)
    done = output.done()
    progress = Progress(sum(plan.counts))
    progress.earlier = progress.done = sum(shard.rows for shard in done.values())
    progress.failed = sum(shard.failed for shard in done.values())
    begun(progress)
    _check_failed(progress, wanted)
    left = [shard for shard in range(len(plan.counts)) if shard not in done]
    for shard in featurize(plan, output, left) if left else ():
        done[shard.shard] = shard
        progress.done = sum(entry.rows for entry in done.values())
        progress.failed = sum(entry.failed for entry in done.values())
        advanced(progress)
        _check_failed(progress, wanted)
    output.finish(_facts(plan, loaded), [done[shard] for shard in sorted(done)])
    return Outcome(progress.total, progress.failed, len(done))


def in_this_process(
    loaded: Loaded, settings: FeaturizerSettings, wanted: Wanted, on_image: Callable[[], None]
) -> Featurize:
    """Return what featurizes shards one after the other, in this process; `on_image` is called after each image."""

    def featurize(plan: Plan, output: Output, shards: Sequence[int]) -> Iterator[Done]:
        files = Files(wanted.storage_options)
        with Embedder(loaded, settings, files, column=wanted.column) as embedder:
            for shard in shards:
                items = read_shard(output.plan, files, shard)
                table, failed = embedder.embed(items, plan.run.taps, plan.run.dtype, on_image, plan.run.views)
                yield output.commit(shard, table, failed)

    return featurize


def _plan(wanted: Wanted, loaded: Loaded, files: Files, output: Output) -> Plan:
    known = [tap.name for tap in loaded.graph.taps]
    for tap in wanted.taps:
        if tap not in known:
            raise BulkError(f"There is no tap `{tap}`; {loaded.spec.name} has {', '.join(known)}.")
    run = Run(
        sources=tuple(wanted.sources),
        label_from=wanted.label_from,
        column=wanted.column,
        shard_images=wanted.shard_images,
        taps=tuple(dict.fromkeys(wanted.taps)) or tuple(known),
        dtype=wanted.dtype,
        backbone=loaded.spec.name,
        digest=loaded.digest,
        engine=loaded.variant.engine,
        precision=loaded.variant.precision,
        views=tuple(dict.fromkeys(wanted.views)) or (View.CROP.label,),
    )
    if (plan := read_plan(output.plan, files)) is not None:
        check_same(run, plan.run)
        return plan
    items = find_items(wanted.sources, files, label_from=wanted.label_from, column=wanted.column)
    write_plan(output.plan, files, run, items)
    plan = read_plan(output.plan, files)
    if plan is None:
        raise BulkError(f"`{output.plan}` was written, and is gone; is something else at work in that folder?")
    return plan


def _check_failed(progress: Progress, wanted: Wanted) -> None:
    if progress.failed > wanted.max_failed * progress.done:
        raise BulkError(
            f"{progress.failed} of {progress.done} images have no features, which is more than "
            f"{wanted.max_failed:.1%}; the column `error` of the shards says why. Mend them, or allow more by "
            "--max-failed, and repeat the command: what is done is not done again."
        )


def _facts(plan: Plan, loaded: Loaded) -> dict[str, Any]:
    run = plan.run
    return {
        "backbone": {
            "name": run.backbone,
            "digest": run.digest,
            "engine": run.engine,
            "precision": run.precision,
            "device": loaded.device,
        },
        "taps": [
            {
                "name": tap.name,
                "kind": tap.kind,
                "dimension": tap.dimension,
                # To float32, see `lastlayer.featurizer.network.tuning`.
                "mean_cosine": loaded.distances[tap.name].mean_cosine,
            }
            for tap in loaded.graph.taps
            if tap.name in run.taps
        ],
        "views": list(run.views),
        "dtype": run.dtype,
        "sources": list(run.sources),
        "versions": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue


def parse_storage_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Return fsspec's options out of `KEY=VALUE`, where a value may be JSON; raises BulkError.

    Example:
        parse_storage_options(["anon=true", 'client_kwargs={"endpoint_url": "http://127.0.0.1:9000"}'])
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise BulkError(f"`{pair}` is no KEY=VALUE, such as `anon=true`.")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options
