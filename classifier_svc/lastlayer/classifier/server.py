"""Puts the classifier together: store, featurizer's client, service; the only module that knows them all."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import Gauge

from lastlayer.classifier.evaluation.evaluation import Evaluation
from lastlayer.classifier.evaluation.likeness.mapping import Maps
from lastlayer.classifier.evaluation.likeness.similar import Similar
from lastlayer.classifier.evaluation.review import Review
from lastlayer.classifier.features.client import FeaturizerClient, FeaturizerSecurity
from lastlayer.classifier.features.given import FeatureImport
from lastlayer.classifier.features.ingest import Ingest
from lastlayer.classifier.features.watch import watch_featurizer
from lastlayer.classifier.prediction.capture.capture import Capture
from lastlayer.classifier.prediction.drift.monitor import DriftMonitor
from lastlayer.classifier.prediction.drift.reports import DriftReports, export_drift
from lastlayer.classifier.prediction.head_export import HeadExport
from lastlayer.classifier.prediction.open_inference import InferenceModels
from lastlayer.classifier.prediction.predictor import Predictor
from lastlayer.classifier.prediction.served_heads import ServedHeads
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.classifier.service.handlers import Handlers, Pools
from lastlayer.classifier.service.requests import MAX_IMAGES
from lastlayer.classifier.service.servicer import ClassifierServicer
from lastlayer.classifier.service.version_messages import describe
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore
from lastlayer.classifier.store.images.pool import PoolStore
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.store.operation.captured import CapturedImages
from lastlayer.classifier.store.operation.sizes import export_sizes
from lastlayer.classifier.store.vectors.snapshots import Snapshots
from lastlayer.classifier.training.jobs import TrainingJobs
from lastlayer.classifier.training.selection.suggestions import Suggestions
from lastlayer.open_inference.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, FEATURES_HEALTH, INFERENCE_SERVICE
from lastlayer.rpc.credentials.tls import CertificateFiles, read_token
from lastlayer.rpc.observability.metrics import export_metrics
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.server.open_inference.servicer import InferenceServicer
from lastlayer.rpc.server.security import server_security
from lastlayer.v1 import classifier_pb2_grpc

_log = logging.getLogger(__name__)

_FEATURIZER_UP: Final = Gauge("classifier_featurizer_up", "1 where the featurizer says that it serves, 0 where not")

_PREDICT_METHODS: Final = frozenset(
    f"/{CLASSIFIER_SERVICE}/{method}"
    for method in (
        "Predict",
        "PredictStream",
        "Evaluate",
        "Explain",
        "EmbedImages",
        "GetHead",
        "ListModels",
        "GetModel",
        "ListModelVersions",
        "GetModelVersion",
        "GetDrift",
    )
)
"""What needs no more than the scope `predict`: to use models, and to look at them. Who only predicts neither changes
anything nor sees what was trained on."""


@asynccontextmanager
async def running(settings: ClassifierSettings) -> AsyncIterator[str]:
    """Serve while the block lasts; yields the bound address once health says SERVING.

    The featurizer may be absent: what needs it then fails, and the health of `FEATURES_HEALTH` says so.

    Raises BindError, CredentialsError or StoreOpenError.
    """
    security = server_security(settings, predict_methods=_PREDICT_METHODS)
    featurizer_security = _featurizer_security(settings)
    server = GrpcServer(
        settings.address,
        services=[CLASSIFIER_SERVICE, INFERENCE_SERVICE],
        grace_s=settings.grace_seconds,
        security=security,
    )
    inference = InferenceServicer("lastlayer-classifier")
    # Whatever is pushed is closed, in reverse order, even where closing something else fails.
    async with contextlib.AsyncExitStack() as stack:
        await server.start()
        stack.push_async_callback(server.stop)
        server.register(add_GRPCInferenceServiceServicer_to_server, inference)
        stack.enter_context(export_metrics(settings.metrics_address))
        database = await asyncio.to_thread(Database, settings.store)
        stack.push_async_callback(asyncio.to_thread, database.close)
        stack.enter_context(export_sizes(database))
        pools = Pools.open()
        stack.push_async_callback(pools.close)
        featurizer = FeaturizerClient(settings.featurizer_target, featurizer_security)
        stack.push_async_callback(featurizer.close)
        monitor = DriftMonitor()
        stack.enter_context(export_drift(monitor))
        capture = Capture(
            settings.capture_policy,
            ModelStore(database),
            CapturedImages(database),
            functools.partial(Ingest, DatasetStore(database), featurizer, reads=pools.reads, writes=pools.writes),
            reads=pools.reads,
            writes=pools.writes,
        )
        await stack.enter_async_context(capture.running())
        handlers = _make_handlers(database, featurizer, pools, monitor, capture)
        stack.callback(handlers.similar.stop)
        check_room = handlers.predictor.check_room
        server.register(
            classifier_pb2_grpc.add_ClassifierServicer_to_server,
            ClassifierServicer(handlers),
            checks={f"/{CLASSIFIER_SERVICE}/Predict": check_room, f"/{INFERENCE_SERVICE}/ModelInfer": check_room},
        )
        models = InferenceModels(handlers.models, handlers.predictor, pools.predictions, max_images=MAX_IMAGES)
        inference.serve(models)
        await server.set_serving(True)
        stack.push_async_callback(server.stop)  # before what its calls need is closed

        async def tell(up: bool) -> None:
            _FEATURIZER_UP.set(up)
            models.featurizer_is_up = up
            await server.set_serving(up, FEATURES_HEALTH)

        watch = asyncio.create_task(watch_featurizer(featurizer, tell))
        stack.callback(watch.cancel)
        _log.info("serving the store %s at %s", database.location, server.bound_address)
        yield server.bound_address


def _make_handlers(
    database: Database, featurizer: FeaturizerClient, pools: Pools, monitor: DriftMonitor, capture: Capture
) -> Handlers:
    datasets, models, examples = DatasetStore(database), ModelStore(database), ExampleStore(database)
    waiting = PoolStore(database)
    heads = ServedHeads(models, pools.predictions)
    predictor = Predictor(models, heads, featurizer, pools.predictions, monitor, capture)
    snapshots, review = Snapshots(database), Review(models, examples)
    return Handlers(
        pools=pools,
        datasets=datasets,
        examples=examples,
        waiting=waiting,
        models=models,
        predictor=predictor,
        drift=DriftReports(models, monitor, pools.predictions),
        trainings=TrainingJobs(datasets, models, pools.trainings, describe=describe),
        review=review,
        similar=Similar(snapshots, examples, featurizer, reads=pools.reads, searches=pools.searches),
        maps=Maps(snapshots, examples, review.suggest, pools.maps),
        suggestions=Suggestions(waiting, pools.suggestions),
        head_export=HeadExport(models),
        featurizer=featurizer,
        begin_ingest=functools.partial(Ingest, datasets, featurizer, reads=pools.reads, writes=pools.writes),
        begin_import=functools.partial(FeatureImport, datasets, featurizer, reads=pools.reads, writes=pools.writes),
        begin_evaluation=functools.partial(Evaluation, heads, predictor, datasets, models, pools.evaluations),
    )


def _featurizer_security(settings: ClassifierSettings) -> FeaturizerSecurity | None:
    """Return how the featurizer is called; raises CredentialsError."""
    ca = settings.featurizer_tls_ca
    if ca is None:
        return None
    files = CertificateFiles(settings.featurizer_tls_cert, settings.featurizer_tls_key, ca)
    if settings.featurizer_token_file is not None:
        read_token(settings.featurizer_token_file)  # it is read again for each call; that it can be is known now
    return FeaturizerSecurity(files, settings.featurizer_token_file)
