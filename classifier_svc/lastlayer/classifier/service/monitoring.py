"""What the operators of the classifier are told, by the conventions of Prometheus; docs/metrics.md has the list."""

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Final

import sqlalchemy as sa
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lastlayer.classifier.store import schema
from lastlayer.classifier.store.database import Database
from lastlayer.rpc.errors import LastlayerError

_log = logging.getLogger(__name__)

PREDICTIONS: Final = Counter("classifier_predictions", "Images that were predicted, or failed", ["outcome"])
FEATURIZER_UP: Final = Gauge("classifier_featurizer_up", "1 where the featurizer says that it serves, 0 where not")
_TRAININGS: Final = Counter("classifier_trainings", "Trainings that ended", ["outcome"])
_TRAININGS_IN_PROGRESS: Final = Gauge("classifier_trainings_in_progress", "Trainings that run or wait for their turn")
_TRAINING_SECONDS: Final = Histogram(
    "classifier_training_seconds",
    "How long trainings that were done took, with their wait",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)


@contextlib.contextmanager
def training() -> Iterator[None]:
    """Count and time the training that the block is."""
    started = time.monotonic()
    outcome = "cancelled"
    _TRAININGS_IN_PROGRESS.inc()
    try:
        yield
        outcome = "done"
        _TRAINING_SECONDS.observe(time.monotonic() - started)
    except Exception:
        outcome = "failed"
        raise
    finally:
        _TRAININGS_IN_PROGRESS.dec()
        _TRAININGS.labels(outcome).inc()


class _StoreSizes(Collector):
    """Counts what is stored when it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: what there is need not be known beforehand."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield how many datasets, examples, models and versions there are; nothing while the store cannot tell."""
        try:
            with self._database.reading() as connection:
                for table, name, help_text in (
                    (schema.datasets, "classifier_datasets", "Datasets in the store"),
                    (schema.examples, "classifier_examples", "Examples in the store"),
                    (schema.models, "classifier_models", "Models in the store"),
                    (schema.versions, "classifier_model_versions", "Versions of models in the store"),
                ):
                    count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                    yield GaugeMetricFamily(name, help_text, value=count)
        except (LastlayerError, sa.exc.SQLAlchemyError) as error:  # the other metrics matter all the more now
            _log.warning("the store cannot be counted: %s", error)


@contextlib.contextmanager
def store_sizes(database: Database) -> Iterator[None]:
    """Export the sizes of a store while the block lasts."""
    collector = _StoreSizes(database)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)
