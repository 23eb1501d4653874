"""Puts the classifier together: store, featurizer's client, service; the only module that knows them all."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from classifier_svc.config import ClassifierSettings
from classifier_svc.curation import ExampleStore
from classifier_svc.database import Database
from classifier_svc.datasets import DatasetStore
from classifier_svc.featurizer_client import FeaturizerClient
from classifier_svc.models import ModelStore
from classifier_svc.predictor import Predictor
from classifier_svc.servicer import ClassifierServicer
from classifier_svc.trainings import Trainings
from lastlayer.v1 import classifier_pb2_grpc
from rpc.server import GrpcServer

_log = logging.getLogger(__name__)

SERVICE: Final = "lastlayer.v1.Classifier"

FEATURES: Final = f"{SERVICE}/features"
"""The health service's name for what needs the featurizer; the rest is served without it."""

_WATCH_S: Final = 2.0


@asynccontextmanager
async def running(settings: ClassifierSettings) -> AsyncIterator[str]:
    """Serve while the block lasts; yields the bound address once health says SERVING.

    The featurizer may be absent: what needs it then fails, and the health of `FEATURES` says so. Raises BindError or
    StoreOpenError.
    """
    server = GrpcServer(settings.address, services=[SERVICE], grace_s=settings.grace_seconds)
    await server.start()
    try:
        database = await asyncio.to_thread(Database, settings.store)
        featurizer = FeaturizerClient(settings.featurizer_target)
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


async def _watch(featurizer: FeaturizerClient, server: GrpcServer) -> None:
    """Keep the health of what needs the featurizer up to date."""
    before: bool | None = None
    while True:
        serving = await featurizer.is_serving(_WATCH_S)
        if serving != before:
            before = serving
            await server.set_serving(serving, FEATURES)
            _log.log(
                logging.INFO if serving else logging.WARNING,
                "the featurizer at %s is %s",
                featurizer.target,
                "there" if serving else "not available: examples and predictions will fail until it is",
            )
        await asyncio.sleep(_WATCH_S)
