"""Finds the versions that predictions are made with, and keeps the heads in memory that were used last."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from typing import Final, TypeVar

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.labels import normalize_classes
from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.system.workers import Workers

_MOST_KEPT: Final = 64

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class ServedHeads:
    """The heads of a store. The store is asked each time which version is meant, as another process may change it."""

    def __init__(self, models: ModelStore, workers: Workers) -> None:
        """`workers` are the threads that ask the store."""
        self._models = models
        self._workers = workers
        self._heads: OrderedDict[int, Head] = OrderedDict()
        self._latest: OrderedDict[tuple[str, int], tuple[ServedVersion, Head]] = OrderedDict()

    async def find(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        """Return a version, the default where `number` is 0, with its head.

        Raises ResourceNotFoundError or StoreCorruptError.
        """
        version = await self._workers.run(self._models.resolve, model, number)
        head = self._heads.get(version.key)
        if head is None:
            head = Head.from_bytes(await self._workers.run(self._models.head, version.key))
            # Labels are normalised since; those of an older head are to be found by them.
            head = replace(head, classes=normalize_classes(head.classes))
        _keep(self._heads, version.key, head)
        _keep(self._latest, (model, number), (version, head))
        return version, head

    def latest(self, model: str, number: int) -> tuple[ServedVersion, Head] | None:
        """Return what `find` found the last time, which may be another version by now; None where it did not."""
        return self._latest.get((model, number))


def _keep(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keep a value beside those that were used last."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
