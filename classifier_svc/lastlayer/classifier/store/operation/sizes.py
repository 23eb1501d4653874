"""Exports the sizes of the store as metrics; docs/reference/metrics.md has the list of all metrics."""

import contextlib
import logging
from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lastlayer.classifier.store import schema
from lastlayer.classifier.store.database import Database
from lastlayer.rpc.errors import LastlayerError

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def export_sizes(database: Database) -> Iterator[None]:
    """Export the sizes of a store while the block lasts."""
    collector = _StoreSizes(database)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


class _StoreSizes(Collector):
    """Counts what is stored when it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing: what there is need not be known beforehand."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield how many of each thing there are; nothing while the store cannot tell."""
        try:
            with self._database.reading() as connection:
                for table, name, help_text in (
                    (schema.datasets, "classifier_datasets", "Datasets in the store"),
                    (schema.examples, "classifier_examples", "Examples in the store"),
                    (schema.pool, "classifier_pool_images", "Images without a label in the store"),
                    (schema.models, "classifier_models", "Models in the store"),
                    (schema.versions, "classifier_model_versions", "Versions of models in the store"),
                ):
                    count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
                    yield GaugeMetricFamily(name, help_text, value=count)
        except (LastlayerError, sa.exc.SQLAlchemyError) as error:  # the other metrics matter all the more now
            _log.warning("the store cannot be counted: %s", error)
