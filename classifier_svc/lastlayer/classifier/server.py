"""Puts the classifier together: store, featurizer's client, service; the only module that knows them all."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from lastlayer.classifier.features.client import FeaturizerClient, FeaturizerSecurity
from lastlayer.classifier.prediction.predictor import Predictor
from lastlayer.classifier.service import monitoring
from lastlayer.classifier.service.config import ClassifierSettings
from lastlayer.classifier.service.servicer import ClassifierServicer
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.examples import ExampleStore
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.training.jobs import Trainings
from lastlayer.rpc.channel import CLASSIFIER_SERVICE, FEATURES_HEALTH
from lastlayer.rpc.credentials.tls import CertificateFiles, read_token
from lastlayer.rpc.observability.metrics import export_metrics
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.server.security import server_security
from lastlayer.v1 import classifier_pb2_grpc

_log = logging.getLogger(__name__)

_PREDICT_METHODS: Final = frozenset(
    f"/{CLASSIFIER_SERVICE}/{method}"
    for method in (
        "Predict",
        "PredictStream",
        "Evaluate",
        "Explain",
        "GetHead",
        "ListModels",
        "GetModel",
        "ListModelVersions",
        "GetModelVersion",
    )
)
"""What needs no more than the scope `predict`: to use models, and to look at them. Who only predicts neither changes
anything nor sees what was trained on."""

_WATCH_S: Final = 2.0


@asynccontextmanager
async def running(settings: ClassifierSettings) -> AsyncIterator[str]:
    """Serve while the block lasts; yields the bound address once health says SERVING.

    The featurizer may be absent: what needs it then fails, and the health of `FEATURES_HEALTH` says so.

    Raises BindError, CredentialsError or StoreOpenError.
    """
    security = server_security(settings, predict_methods=_PREDICT_METHODS)
    featurizer_security = _featurizer_security(settings)
    server = GrpcServer(
        settings.address, services=[CLASSIFIER_SERVICE], grace_s=settings.grace_seconds, security=security
    )
    exports = contextlib.ExitStack()
    await server.start()
    try:
        exports.enter_context(export_metrics(settings.metrics_address))
        database = await asyncio.to_thread(Database, settings.store)
        exports.enter_context(monitoring.store_sizes(database))
        featurizer = FeaturizerClient(settings.featurizer_target, featurizer_security)
        datasets, models = DatasetStore(database), ModelStore(database)
        servicer = ClassifierServicer(
            datasets,
            models,
            ExampleStore(database),
            featurizer,
            Trainings(datasets, models),
            Predictor(models, featurizer),
        )
        server.register(classifier_pb2_grpc.add_ClassifierServicer_to_server, servicer)
        await server.set_serving(True)
        watch = asyncio.create_task(_watch(featurizer, server))
        _log.info("serving the store %s at %s", database.location, server.bound_address)
        try:
            yield server.bound_address
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            await server.stop()
            await featurizer.close()
            await asyncio.to_thread(database.close)
    finally:
        await server.stop()
        exports.close()


def _featurizer_security(settings: ClassifierSettings) -> FeaturizerSecurity | None:
    """Return how the featurizer is called; raises CredentialsError."""
    ca = settings.featurizer_tls_ca
    if ca is None:
        return None
    files = CertificateFiles(settings.featurizer_tls_cert, settings.featurizer_tls_key, ca)
    if settings.featurizer_token_file is not None:
        read_token(settings.featurizer_token_file)  # it is read again for each call; that it can be is known now
    return FeaturizerSecurity(files, settings.featurizer_token_file)


async def _watch(featurizer: FeaturizerClient, server: GrpcServer) -> None:
    """Keep the health of what needs the featurizer up to date, and the certificates that it is called with."""
    before: bool | None = None
    while True:
        await featurizer.renew_credentials()
        serving = await featurizer.is_serving(_WATCH_S)
        monitoring.FEATURIZER_UP.set(serving)
        if serving != before:
            before = serving
            await server.set_serving(serving, FEATURES_HEALTH)
            _log.log(
                logging.INFO if serving else logging.WARNING,
                "the featurizer at %s is %s",
                featurizer.target,
                "there" if serving else "not available: examples and predictions will fail until it is",
            )
        await asyncio.sleep(_WATCH_S)
