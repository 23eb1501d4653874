"""Has shards featurized by actors of Ray Data, which schedules, retries and scales them; our code does one shard."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lastlayer.featurizer.bulk.embedder import Embedder
from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.output import Done, Output
from lastlayer.featurizer.bulk.plan import Plan, read_shard
from lastlayer.featurizer.bulk.run import Featurize, Wanted
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.errors import BulkError
from lastlayer.featurizer.network.loading import Loaded, load
from lastlayer.rpc.settings import load_settings
from lastlayer.rpc.system.cpu_quota import limit_processors


@dataclass(frozen=True)
class Cluster:
    """Where actors run, and what each of them gets."""

    address: str | None
    """Of a cluster; one is started on this machine where there is none."""
    num_cpus: float = 1
    num_gpus: float = 0
    min_actors: int = 1
    max_actors: int | None = None
    """As many as the cluster has room for, where it is not said."""


def on_ray(cluster: Cluster, loaded: Loaded, settings: FeaturizerSettings, wanted: Wanted) -> Featurize:
    """Return what featurizes shards over Ray. The sources and the folder must be within reach of all nodes.

    Actors take their settings from this process, with the engine and the precision that it has settled on: shards of
    one run are all computed in the same. Raises BulkError where Ray cannot be used.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    environment = {name: value for name, value in os.environ.items() if name.startswith(("LASTLAYER_", "FEATURIZER_"))}
    environment["FEATURIZER_ENGINE"], environment["FEATURIZER_PRECISION"] = loaded.variant
    environment["LASTLAYER_BACKBONE"] = settings.backbone
    if settings.mirror is not None:
        environment["LASTLAYER_MIRROR"] = str(settings.mirror)

    def featurize(plan: Plan, _: Output, shards: Sequence[int]) -> Iterator[Done]:
        try:
            ray.init(cluster.address, runtime_env={"env_vars": environment}, log_to_driver=False)
        except ConnectionError as error:
            raise BulkError(f"There is no Ray cluster at `{cluster.address}`: {error}") from error
        try:
            context = DataContext.get_current()
            context.enable_progress_bars = False
            processors = ray.cluster_resources().get("CPU", 1)
            most = cluster.max_actors or max(1, int(processors // cluster.num_cpus))
            most = min(most, len(shards))
            # One block for each shard, so that a lost node costs no more than the shards that it had.
            rows = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
            done = rows.map_batches(
                _Actor,
                batch_size=1,
                compute=ActorPoolStrategy(min_size=min(cluster.min_actors, most), max_size=most),
                num_cpus=cluster.num_cpus,
                num_gpus=cluster.num_gpus,
                fn_constructor_kwargs={
                    "wanted": wanted,
                    "taps": plan.run.taps,
                    "views": plan.run.views,
                    "digest": plan.run.digest,
                    "processors": max(1, int(cluster.num_cpus)),
                },
            )
            for row in done.iter_rows():
                yield Done(**row)
        finally:
            ray.shutdown()

    return featurize


class _Actor:
    """Holds the network on a node, and featurizes and commits the shards that Ray gives it."""

    def __init__(
        self, *, wanted: Wanted, taps: Sequence[str], views: Sequence[str], digest: str, processors: int
    ) -> None:
        limit_processors(processors)
        settings = load_settings(FeaturizerSettings)
        loaded = load(settings, lambda *_: None)
        if loaded.digest != digest:
            raise BulkError(f"A node has {loaded.spec.name} with the digest {loaded.digest}, but {digest} is wanted.")
        self._files = Files(wanted.storage_options)
        self._output = Output(wanted.to, self._files)
        self._taps = taps
        self._views = views
        self._dtype = wanted.dtype
        self._embedder = Embedder(loaded, settings, self._files, column=wanted.column)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        rows = [self._featurize(int(shard)) for shard in batch["shard"]]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def _featurize(self, shard: int) -> dict[str, Any]:
        items = read_shard(self._output.plan, self._files, shard)
        table, failed = self._embedder.embed(items, self._taps, self._dtype, views=self._views)
        return asdict(self._output.commit(shard, table, failed))
