"""Puts the featurizer together: weights, graph, pipeline, service; the only module that knows them all."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from lastlayer.featurizer.backbones.spec import builtin, builtin_names
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import Loaded, load
from lastlayer.featurizer.pipeline import monitoring
from lastlayer.featurizer.pipeline.pipeline import Pipeline
from lastlayer.featurizer.service.open_inference import InferenceModels
from lastlayer.featurizer.service.servicer import FeaturizerServicer
from lastlayer.featurizer.weights.download import Progress
from lastlayer.featurizer.weights.progress import progress_lines
from lastlayer.featurizer.weights.store import WeightStore
from lastlayer.open_inference.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from lastlayer.rpc.channel import FEATURIZER_SERVICE, INFERENCE_SERVICE, MAX_MESSAGE_BYTES
from lastlayer.rpc.observability.metrics import export_metrics
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.server.open_inference.servicer import InferenceServicer
from lastlayer.rpc.server.receiving import ReceiveLimits
from lastlayer.rpc.server.security import server_security
from lastlayer.rpc.vectors import View
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

_log = logging.getLogger(__name__)

_METHODS: Final = frozenset(
    f"/{FEATURIZER_SERVICE}/{method.name}"
    for method in featurizer_pb2.DESCRIPTOR.services_by_name["Featurizer"].methods
)
"""The paths of all methods: none of them changes anything."""

_KINDS: Final = {
    "spatial_mean": types_pb2.TAP_KIND_SPATIAL_MEAN,
    "vector": types_pb2.TAP_KIND_VECTOR,
    "class_scores": types_pb2.TAP_KIND_CLASS_SCORES,
}


class _GivenUpError(Exception):
    """The service is to stop, and nobody waits for what is being loaded."""


Loader = Callable[[FeaturizerSettings, Progress], Loaded]
"""Loads the network of some settings, telling its progress."""


def _load(loader: Loader, settings: FeaturizerSettings, stopping: threading.Event) -> Loaded:
    say = progress_lines(_log.info)

    def progress(what: str, done: int, total: int | None) -> None:
        if stopping.is_set():  # a thread cannot be interrupted, and a download can be long
            raise _GivenUpError
        say(what, done, total)

    return loader(settings, progress)


def _describe(loaded: Loaded, settings: FeaturizerSettings) -> types_pb2.Backbone:
    spec = loaded.spec
    return types_pb2.Backbone(
        name=spec.name,
        digest=loaded.digest,
        taps=[
            types_pb2.Tap(
                name=tap.name,
                kind=_KINDS[tap.kind],
                dimension=tap.dimension,
                mean_cosine=loaded.distances[tap.name].mean_cosine,
                least_cosine=loaded.distances[tap.name].least_cosine,
            )
            for tap in loaded.graph.taps
        ],
        image_width=spec.preprocessing.width,
        image_height=spec.preprocessing.height,
        device=loaded.device,
        precision=loaded.variant.precision,
        engine=loaded.variant.engine,
        former_digests=[
            types_pb2.FormerDigest(digest=digest, precision=precision)
            for digest, precision in loaded.former_digests.items()
        ],
        max_images_per_request=settings.max_images_per_request,
        max_image_pixels=settings.max_image_pixels,
        max_message_bytes=MAX_MESSAGE_BYTES,
        imagenet_accuracy=spec.imagenet_accuracy,
        relative_speed=spec.relative_speed,
        others=_find_others(spec.name, settings),
        views=[view.wire for view in View],
    )


def _find_others(served: str, settings: FeaturizerSettings) -> list[types_pb2.AvailableBackbone]:
    """Return the built-in backbones, save the one that is served, whose weights are on disk."""
    store = WeightStore(settings.weights_folder, settings.mirror)
    return [
        types_pb2.AvailableBackbone(
            name=name, imagenet_accuracy=spec.imagenet_accuracy, relative_speed=spec.relative_speed
        )
        for name in builtin_names()
        if name != served and store.find(spec := builtin(name))
    ]


@asynccontextmanager
async def running(settings: FeaturizerSettings, loader: Loader = load) -> AsyncIterator[str]:
    """Serve while the block lasts; yields the bound address once health says SERVING.

    From the start health is answered, with NOT_SERVING while weights are fetched and the graph is loaded. Tests give a
    `loader` of their own. Raises BindError, CredentialsError, and what the loader raises: BackboneError or FetchError.
    """
    security = server_security(settings, predict_methods=_METHODS)
    server = GrpcServer(
        settings.address,
        services=[FEATURIZER_SERVICE, INFERENCE_SERVICE],
        grace_s=settings.grace_seconds,
        security=security,
        # Classifiers end a stream after its one message. Memory is needed for other things here.
        limits=ReceiveLimits(streams=6),
    )
    exports = contextlib.ExitStack()
    inference = InferenceServicer("lastlayer-featurizer")
    await server.start()
    server.register(add_GRPCInferenceServiceServicer_to_server, inference)
    stopping = threading.Event()
    try:
        exports.enter_context(export_metrics(settings.metrics_address))
        loaded = await asyncio.to_thread(_load, loader, settings, stopping)
        backbone = _describe(loaded, settings)
        pipeline = Pipeline.from_settings(
            loaded.graph, loaded.spec.preprocessing, settings, batch_images=loaded.variant.batch_images
        )
        servicer = FeaturizerServicer(backbone, pipeline)
        server.register(
            featurizer_pb2_grpc.add_FeaturizerServicer_to_server,
            servicer,
            checks={
                f"/{FEATURIZER_SERVICE}/Featurize": pipeline.check_room,
                f"/{FEATURIZER_SERVICE}/GetFeatureMaps": pipeline.check_room,
                f"/{INFERENCE_SERVICE}/ModelInfer": pipeline.check_room,
            },
        )
        inference.serve(InferenceModels(backbone, pipeline))
        monitoring.BACKBONE.labels(backbone.name, backbone.digest, backbone.device, backbone.precision).set(1)
        for tap in backbone.taps:
            monitoring.MEAN_COSINE.labels(tap.name).set(tap.mean_cosine)
            monitoring.LEAST_COSINE.labels(tap.name).set(tap.least_cosine)
        await server.set_serving(True)
        _log.info(
            "serving %s (digest %s, taps %s) on %s in %s (mean cosine to float32 at least %.4f) at %s",
            backbone.name,
            backbone.digest[:12],
            ", ".join(f"{tap.name} [{tap.dimension}]" for tap in backbone.taps),
            backbone.device,
            backbone.precision,
            min(tap.mean_cosine for tap in backbone.taps),
            server.bound_address,
        )
        try:
            yield server.bound_address
        finally:
            await server.stop()
            await pipeline.stop()
    finally:
        stopping.set()
        await server.stop()
        exports.close()
