"""Makes a network ready to run: finds its weights, settles how it is run on this machine, and loads it."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.backbones.spec import BackboneSpec
from lastlayer.featurizer.backbones.tap import Tap
from lastlayer.featurizer.config import FeaturizerSettings, Precision
from lastlayer.featurizer.network import quantization, tuning
from lastlayer.featurizer.network.generated_images import generate_images
from lastlayer.featurizer.network.quantization import Quantized
from lastlayer.featurizer.network.tuning import Distance, Measurements
from lastlayer.featurizer.network.variants import FULL, Variant, find_variants, machine_key, reduced_precision
from lastlayer.featurizer.weights.download import Progress
from lastlayer.featurizer.weights.store import ResolvedBackbone, WeightStore
from lastlayer.rpc.system.memory import give_back_free_memory
from lastlayer.rpc.vectors import TOLERATED_MEAN_COSINE

if TYPE_CHECKING:
    import tensorflow as tf

    from lastlayer.featurizer.network.frozen_graph import GraphCache
    from lastlayer.featurizer.network.graph import Graph

_log = logging.getLogger(__name__)

_MEASURED_IMAGES: Final = 16
_CALIBRATION_IMAGES: Final = 96
_GENERATED: Final = "generated images"
_MEASURED_SEED, _CALIBRATION_SEED = 0, 1


class Network(tuning.Network, Protocol):
    """A network that can be served: a `Graph`, or what stands in for one."""

    @property
    def taps(self) -> Sequence[Tap]:
        """The taps, from the shallowest to the deepest."""
        ...

    def run(
        self, images: npt.NDArray[np.uint8], taps: Sequence[str], *, alone: bool = True
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return float32 [n, d] for each tap of uint8 [n, height, width, 3]; `alone` if nothing else runs meanwhile."""
        ...

    def maps(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Return float32 [n, h, w, d] for each tap, a spatial mean, of uint8 [n, height, width, 3]."""
        ...


@dataclass(frozen=True)
class Loaded:
    """A network that is ready."""

    spec: BackboneSpec
    digest: str
    """See `BackboneSpec.digest`."""
    former_digests: Mapping[str, Precision]
    """See `BackboneSpec.former_digests`."""
    graph: Network
    device: str
    variant: Variant
    distances: Mapping[str, Distance]
    """How far its features are from those in float32, by tap."""


def load(settings: FeaturizerSettings, progress: Progress) -> Loaded:
    """Load the backbone of the settings, which is fetched if need be.

    At the first start on a machine what can run it is measured, where the settings leave that open. Raises
    BackboneError or FetchError, and whatever `progress` raises.
    """
    backbone = LocalBackbone(settings, progress)
    if settings.precision == "int8" and backbone.quantized is None:
        _log.info("making %s in int8, calibrated on generated images", backbone.spec.name)
        backbone.quantize()
    candidates = backbone.candidates
    measured = backbone.measure(candidates)
    variant = tuning.choose(measured, candidates)
    if measured[variant].farthest < TOLERATED_MEAN_COSINE:
        _log.warning(
            "%s is far from float32 (mean cosine %.4f), so that heads refuse its features; "
            "FEATURIZER_PRECISION=float32 works",
            variant,
            measured[variant].farthest,
        )
    graph = backbone.graph_of(variant)
    give_back_free_memory()
    device = "CPU, by OpenVINO" if variant.engine == "openvino" else backbone.device
    former = backbone.spec.former_digests(backbone.resolved.hashed)
    return Loaded(backbone.spec, backbone.resolved.digest, former, graph, device, variant, measured[variant].distances)


class LocalBackbone:
    """A backbone on this machine: what can run it, and how that does."""

    def __init__(self, settings: FeaturizerSettings, progress: Progress) -> None:
        """Fetch the weights if need be; raises BackboneError or FetchError, and whatever `progress` raises."""
        self._settings = settings
        self.resolved: ResolvedBackbone = WeightStore(settings.weights_folder, settings.mirror).resolve(
            settings.backbone, progress
        )
        self.spec = self.resolved.spec
        _log.info("loading %s from %s", self.spec.name, self.resolved.weights)
        # TensorFlow reads them when it is imported, for the first time here.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # Else it imports Keras, and Keras imports scikit-learn and Matplotlib where they are installed: a second and
        # more, and 100 MB. `keras_graph` imports Keras itself, where it is needed; `tf.keras` we do not use.
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
        from lastlayer.featurizer.network.graph import configure_tensorflow

        self.device = configure_tensorflow(settings.engine)
        """What TensorFlow runs on."""
        self.quantized = quantization.read(self._int8)
        """The network in int8; None where it was not made."""

    @property
    def candidates(self) -> list[Variant]:
        """The ways to run it that the settings allow; raises BackboneError where there is none."""
        gpu = self.device.startswith("GPU")
        return find_variants(
            self._settings, gpu=gpu, reduced=reduced_precision(gpu=gpu), quantized=self.quantized is not None
        )

    def measure(self, candidates: list[Variant], *, again: bool = False) -> Measurements:
        """Return how variants do, which is kept; `again` measures what is known already. Raises BackboneError."""
        taps = [tap.name for tap in self.spec.taps]
        if candidates == [FULL] and not again:
            return {FULL: tuning.Measurement(distances=dict.fromkeys(taps, tuning.SAME))}
        checksum = self.quantized.checksum if self.quantized else ""
        known = {} if again else tuning.recall(self._tuned, checksum)
        known = {variant: entry for variant, entry in known.items() if entry.error or set(taps) <= set(entry.distances)}
        if len(candidates) == 1:  # insisted on, so that there has to be time
            known = {variant: entry for variant, entry in known.items() if entry.error != tuning.UNMEASURED}
        missing = [variant for variant in candidates if variant not in known]
        if not missing:
            _log.info("computing in %s, as measured before", tuning.choose(known, candidates))
            return known
        size = self.spec.preprocessing
        images = generate_images(_MEASURED_IMAGES, width=size.width, height=size.height, seed=_MEASURED_SEED)
        distances = {Variant("openvino", "int8"): self.quantized.distances} if self.quantized else {}
        measured = {**known, **tuning.measure(self.graph_of, missing, images, taps, distances)}
        tuning.remember(self._tuned, measured, checksum)
        _log.info("measured %s: computing in %s", tuning.describe(measured), tuning.choose(measured, candidates))
        return measured

    def graph_of(self, variant: Variant) -> "Graph":
        """Load the network for a variant; raises BackboneError."""
        from lastlayer.featurizer.network.graph import Graph

        return Graph(
            self.spec,
            self.resolved.weights,
            self.resolved.group,
            precision=variant.precision,
            engine=variant.engine,
            cache=self._cache(),
            quantized=self.quantized if variant.precision == "int8" else None,
        )

    def tapped(self, taps: Sequence[str]) -> "tuple[tf.Graph, tf.Tensor, list[tf.Tensor]]":
        """Return what `network.graph.tapped_network` does; raises BackboneError."""
        from lastlayer.featurizer.network.graph import tapped_network

        return tapped_network(self.spec, self.resolved.weights, self.resolved.group, self._cache(), taps)

    def quantize(self, photos: npt.NDArray[np.uint8] | None = None) -> Quantized:
        """Make the network in int8 and keep it; raises BackboneError.

        It is calibrated on two thirds of the photos, uint8 [n, height, width, 3], and measured on the others; on
        generated images where there are none.
        """
        from lastlayer.featurizer.network.graph import quantize_network

        size, taps = self.spec.preprocessing, [tap.name for tap in self.spec.taps]
        if photos is None:
            calibration, others = (
                generate_images(count, width=size.width, height=size.height, seed=seed)
                for count, seed in ((_CALIBRATION_IMAGES, _CALIBRATION_SEED), (_MEASURED_IMAGES, _MEASURED_SEED))
            )
        else:
            calibration = np.delete(photos, np.s_[::3], axis=0)
            others = photos[::3]
        name = f"{len(calibration)} {_GENERATED if photos is None else 'images'}"
        expected = self._vectors(FULL, others, taps)
        made: list[Quantized] = []
        for whole_ranges in (True, False):  # the former is nearer of GoogLeNet, the latter of Xception
            parts = quantize_network(
                self.spec,
                self.resolved.weights,
                self.resolved.group,
                self._cache(),
                calibration,
                whole_ranges=whole_ranges,
            )
            self.quantized = Quantized(*parts, {}, name)
            got = self._vectors(Variant("openvino", "int8"), others, taps)
            made.append(Quantized(*parts, tuning.compare(expected, got), name))
            if _farthest(made[-1]) >= TOLERATED_MEAN_COSINE:
                break
        self.quantized = max(made, key=_farthest)
        try:
            quantization.keep(self._int8, self.quantized)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            _log.warning("`%s` cannot be written (%s): the next start makes it again", self._int8, reason)
        return self.quantized

    def _vectors(
        self, variant: Variant, images: npt.NDArray[np.uint8], taps: list[str]
    ) -> dict[str, npt.NDArray[np.float32]]:
        graph = self.graph_of(variant)
        try:
            return tuning.vectors_of(graph, images, taps)
        finally:
            graph.close()

    @property
    def _int8(self) -> Path:
        return quantization.path_of(self._settings.weights_folder, self.resolved.digest)

    @property
    def _tuned(self) -> Path:
        name = (
            f"{self.resolved.digest[:32]}-{machine_key('CPU' if self.device.startswith('CPU') else self.device)}.json"
        )
        return self._settings.weights_folder / "tuned" / name

    def _cache(self) -> "GraphCache":
        from lastlayer.featurizer.network.frozen_graph import GraphCache

        return GraphCache(self._settings.weights_folder / "frozen", self.resolved.digest)


def _farthest(quantized: Quantized) -> float:
    return tuning.Measurement(distances=quantized.distances).farthest
