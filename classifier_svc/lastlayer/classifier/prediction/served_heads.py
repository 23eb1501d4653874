"""Finds the versions that predictions are made with, and keeps the heads in memory that were used last."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.labels import normalize_classes
from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.system.workers import Workers

_MOST_KEPT: Final = 64

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class _Found(NamedTuple):
    """What the store said the last time."""

    version: ServedVersion
    head: Head
    change_count: int | None
    """Of the store, just before it was asked."""


class ServedHeads:
    """The heads of a store. The store is asked which version is meant once it has changed, by whatever process. A store
    that cannot tell whether it has changed is asked each time.
    """

    def __init__(self, models: ModelStore, workers: Workers) -> None:
        """`workers` are the threads that ask the store."""
        self._models = models
        self._workers = workers
        self._heads: OrderedDict[int, Head] = OrderedDict()
        self._found: OrderedDict[tuple[str, int], _Found] = OrderedDict()

    async def find(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        """Return a version, the default where `number` is 0, with its head.

        Raises ResourceNotFoundError or StoreCorruptError.
        """
        if (current := self.current(model, number)) is not None:
            return current
        count = self._models.change_count()
        version = await self._workers.run(self._models.resolve, model, number)
        head = self._heads.get(version.key)
        if head is None:
            head = Head.from_bytes(await self._workers.run(self._models.head, version.key))
            # Labels are normalised since; those of an older head are to be found by them.
            head = replace(head, classes=normalize_classes(head.classes))
        _keep(self._heads, version.key, head)
        _keep(self._found, (model, number), _Found(version, head, count))
        return version, head

    def current(self, model: str, number: int) -> tuple[ServedVersion, Head] | None:
        """Return what `find` would, at once; None where the store has to be asked."""
        found = self._found.get((model, number))
        if found is None or found.change_count is None or found.change_count != self._models.change_count():
            return None
        _keep(self._heads, found.version.key, found.head)
        _keep(self._found, (model, number), found)
        return found.version, found.head

    def latest(self, model: str, number: int) -> tuple[ServedVersion, Head] | None:
        """Return what `find` found the last time, which may be another version by now; None where it did not."""
        found = self._found.get((model, number))
        return None if found is None else (found.version, found.head)


def _keep(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keep a value beside those that were used last."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
