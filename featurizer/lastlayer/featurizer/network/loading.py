"""Makes a network ready to run: finds its weights, loads it, and settles in which precision it computes."""

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lastlayer.featurizer.backbones.spec import BackboneSpec
from lastlayer.featurizer.config import FeaturizerSettings, Precision
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.precision import compare, reduced_precision
from lastlayer.featurizer.weights.download import Progress
from lastlayer.featurizer.weights.store import ResolvedBackbone, WeightStore
from lastlayer.rpc.system.files import write_whole
from lastlayer.rpc.system.memory import give_back_free_memory

if TYPE_CHECKING:
    from lastlayer.featurizer.network.graph import Graph

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A network that is ready."""

    spec: BackboneSpec
    digest: str
    """Of the weights and all that shapes features, the precision included."""
    graph: "Graph"
    device: str
    precision: Precision


def load(settings: FeaturizerSettings, progress: Progress) -> Loaded:
    """Load the backbone of the settings, which is fetched if need be.

    Raises BackboneError or FetchError, and whatever `progress` raises.
    """
    store = WeightStore(settings.weights_folder, settings.mirror)
    resolved = store.resolve(settings.backbone, progress)
    _log.info("loading %s from %s", resolved.spec.name, resolved.weights)
    # TensorFlow reads them when it is imported, for the first time here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Else it imports Keras, and Keras imports scikit-learn and Matplotlib where they are installed: a second and more,
    # and 100 MB. `keras_graph` imports Keras itself, where it is needed; `tf.keras` we do not use.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from lastlayer.featurizer.network.graph import configure_tensorflow

    device = configure_tensorflow(settings.engine)
    graph, precision = _load_graph(resolved, settings, reduced_precision(gpu=device.startswith("GPU")))
    give_back_free_memory()
    digest = resolved.spec.digest(resolved.hashed, precision, settings.engine)
    return Loaded(resolved.spec, digest, graph, device, precision)


def _load_graph(
    resolved: ResolvedBackbone, settings: FeaturizerSettings, reduced: Precision | None
) -> tuple["Graph", Precision]:
    from lastlayer.featurizer.network.frozen_graph import GraphCache
    from lastlayer.featurizer.network.graph import Graph

    def graph_in(precision: Precision) -> Graph:
        cache = GraphCache(settings.weights_folder / "frozen", resolved.digest)
        return Graph(
            resolved.spec,
            resolved.weights,
            resolved.group,
            precision=precision,
            engine=settings.engine,
            cache=cache,
        )

    wanted = settings.precision
    if wanted == "bfloat16" and reduced != "bfloat16":
        raise BackboneError(
            "FEATURIZER_PRECISION is `bfloat16`, but this machine has no AVX512-BF16 or AMX, or runs the network on a "
            "GPU; `auto` and `float32` work everywhere."
        )
    if wanted != "auto":
        return graph_in(wanted), wanted
    if reduced is None:
        return graph_in("float32"), "float32"
    # Measured once: another choice after a start on a busy machine would be another backbone.
    engine = "" if settings.engine == "tensorflow" else f"-{settings.engine}"
    memory = settings.weights_folder / f"precision-{resolved.digest[:16]}-{reduced}{engine}"
    with contextlib.suppress(OSError):
        remembered = memory.read_text(encoding="utf-8").strip()
        if remembered in ("float32", reduced):
            _log.info("computing in %s, as before", remembered)
            return (graph_in(reduced), reduced) if remembered == reduced else (graph_in("float32"), "float32")
    full, fast = graph_in("float32"), graph_in(reduced)
    size, taps = resolved.spec.preprocessing, [tap.name for tap in full.taps]
    worthwhile, measured = compare(full, fast, width=size.width, height=size.height, taps=taps)
    chosen: Precision = reduced if worthwhile else "float32"
    _log.info("computing in %s: %s is %s", chosen, reduced, measured)
    _remember(memory, chosen)
    (full if worthwhile else fast).close()
    return (fast if worthwhile else full), chosen


def _remember(path: Path, precision: Precision) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as unfinished:
            unfinished.write_text(f"{precision}\n", encoding="utf-8")
    except OSError as error:
        _log.warning(
            "`%s` cannot be written (%s): a later start may choose another precision, and with it another digest; "
            "FEATURIZER_PRECISION settles it",
            path,
            (error.strerror or str(error)).lower(),
        )
