"""Exports the numbers of a head, which are all that is needed to predict from feature vectors."""

from dataclasses import dataclass

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import Version
from lastlayer.classifier.store.models import ModelStore


@dataclass(frozen=True)
class ExportedHead:
    """A head with what is needed to use it elsewhere."""

    version: Version
    head: Head
    tap_dimensions: tuple[int, ...]
    """The numbers of elements of the vectors at `head.taps`, in their order."""


class HeadExport:
    """Exports heads. Its methods block: they are for threads, not for the event loop."""

    def __init__(self, models: ModelStore) -> None:
        self._models = models

    def export(self, model: str, number: int) -> ExportedHead:
        """Return the head of a version, of the model's default one where `number` is 0.

        Raises ResourceNotFoundError or StoreCorruptError.
        """
        version = self._models.get_version(model, number)
        head = Head.from_bytes(self._models.head(version.key))
        return ExportedHead(version, head, tuple(self._models.tap_dimensions(version, head.taps)))
