"""Predicts: one call of the featurizer for all images of a request, and the version's head on what it returns."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from classifier_svc.featurizer_client import FeaturizerClient
from classifier_svc.head import Head
from classifier_svc.models import ModelStore
from classifier_svc.records import Version
from rpc.errors import ImageError

_CACHED_HEADS: Final = 64


class Predictor:
    """Predicts with stored heads, of which the latest used are kept in memory."""

    def __init__(self, models: ModelStore, featurizer: FeaturizerClient) -> None:
        self._models = models
        self._featurizer = featurizer
        self._heads: OrderedDict[int, Head] = OrderedDict()

    async def version(self, model: str, number: int) -> tuple[Version, Head]:
        """Return a version, the default where `number` is 0, with its head; raises ResourceNotFoundError."""
        version = await asyncio.to_thread(self._models.get_version, model, number)
        head = self._heads.get(version.key)
        if head is None:
            head = Head.from_bytes(await asyncio.to_thread(self._models.head, version.key))
            self._heads[version.key] = head
            if len(self._heads) > _CACHED_HEADS:
                self._heads.popitem(last=False)
        self._heads.move_to_end(version.key)
        return version, head

    async def predict(
        self, version: Version, head: Head, images: Sequence[bytes], *, deadline: float | None, patient: bool = False
    ) -> list[npt.NDArray[np.float64] | ImageError]:
        """Return for each image the probabilities of the head's classes, float64 [c], or why there are none.

        Raises what `FeaturizerClient.featurize` raises.
        """
        outcomes = await self._featurizer.featurize(
            images, head.taps, digest=version.backbone_digest, deadline=deadline, patient=patient
        )
        vectors = [outcome for outcome in outcomes if not isinstance(outcome, ImageError)]
        if not vectors:
            return [outcome for outcome in outcomes if isinstance(outcome, ImageError)]
        features = {tap: np.stack([vector[tap] for vector in vectors]) for tap in head.taps}
        rows = iter(head.probabilities(features))
        return [outcome if isinstance(outcome, ImageError) else next(rows) for outcome in outcomes]
