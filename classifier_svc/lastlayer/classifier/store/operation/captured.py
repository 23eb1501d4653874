"""Images that were captured: which there are, and how they go again."""

import datetime
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from lastlayer.classifier.domain.types import PoolSource
from lastlayer.classifier.store import queries
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.schema import datasets, pool

_CAPTURED = pool.c.source == PoolSource.CAPTURED.value


class CapturedImages:
    """The captured images in the pools of a database. Its methods block: they are for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_since(self, dataset: str, moment: datetime.datetime) -> list[bytes]:
        """Return the images, by sha256, that were captured for a dataset since a moment, and still wait for a label."""
        query = sa.select(pool.c.content_sha256).select_from(pool.join(datasets))
        with self._database.reading() as connection:
            since = query.where(datasets.c.name == dataset, _CAPTURED, pool.c.create_time >= moment)
            return list(connection.scalars(since))

    def remove(self, dataset: str, contents: Sequence[bytes]) -> int:
        """Remove captured images, by sha256, from a dataset's pool, with features that nothing refers to any more;
        return how many there were.
        """
        return self._drop(datasets.c.name == dataset, pool.c.content_sha256.in_(contents))

    def expire(self, moment: datetime.datetime) -> int:
        """Remove all images that were captured before a moment; return how many there were."""
        return self._drop(pool.c.create_time < moment)

    def _drop(self, *conditions: Any) -> int:
        query = sa.select(pool.c.dataset_id, pool.c.content_sha256).select_from(pool.join(datasets))
        with self._database.deleting() as connection:
            queries.keep_features(self._database, connection, shared=False)
            found = connection.execute(query.where(_CAPTURED, *conditions)).all()
            by_dataset: dict[int, list[bytes]] = {}
            for dataset_id, content in found:
                by_dataset.setdefault(dataset_id, []).append(content)
            for dataset_id, contents in by_dataset.items():
                queries.drop_images(connection, dataset_id, contents)
            return len(found)
