"""Predicts: one call of the featurizer for all images of a request, and the version's head on what it returns.

Explains in the same way.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.features.client import FeaturizerClient
from lastlayer.classifier.prediction.activation_map import ActivationMap, Region, activation_map, check_explainable
from lastlayer.classifier.service import monitoring
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.errors import BackboneMismatchError, LastlayerError

_CACHED_HEADS: Final = 64

_QUICK_PRODUCTS: Final = 1_000_000
"""Up to this many products of features and weights, computing a head takes less time than handing it to a thread."""


class Predicted(NamedTuple):
    """What a version makes of an image."""

    probabilities: npt.NDArray[np.float64]
    """Of the head's classes, float64 [c]."""
    vector: npt.NDArray[np.float32]
    """At the deepest tap of the head, float32 [d]."""


class Predictor:
    """Predicts with stored heads, of which the latest used are kept in memory."""

    def __init__(self, models: ModelStore, featurizer: FeaturizerClient) -> None:
        self._models = models
        self._featurizer = featurizer
        self._heads: OrderedDict[int, Head] = OrderedDict()

    async def version(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        """Return a version, the default where `number` is 0, with its head; raises ResourceNotFoundError."""
        version = await asyncio.to_thread(self._models.resolve, model, number)
        head = self._heads.get(version.key)
        if head is None:
            head = Head.from_bytes(await asyncio.to_thread(self._models.head, version.key))
            self._heads[version.key] = head
            if len(self._heads) > _CACHED_HEADS:
                self._heads.popitem(last=False)
        else:
            self._heads.move_to_end(version.key)
        return version, head

    async def predict(
        self,
        version: ServedVersion,
        head: Head,
        images: Sequence[bytes],
        *,
        deadline: float | None,
        patient: bool = False,
    ) -> list[Predicted | LastlayerError]:
        """Return what a version makes of each image, or why nothing.

        Raises what `FeaturizerClient.featurize` raises.
        """
        try:
            outcomes = await self._featurizer.featurize(
                images, head.taps, digest=version.backbone_digest, deadline=deadline, patient=patient
            )
        except BackboneMismatchError as error:
            raise _mismatch(version, error) from error
        found = [outcome for outcome in outcomes if not isinstance(outcome, LastlayerError)]
        monitoring.PREDICTIONS.labels("done").inc(len(found))
        monitoring.PREDICTIONS.labels("failed").inc(len(outcomes) - len(found))
        if not found:
            return [outcome for outcome in outcomes if isinstance(outcome, LastlayerError)]
        features = {tap: np.stack([outcome.vectors[tap] for outcome in found]) for tap in head.taps}
        if len(found) * head.weights.size <= _QUICK_PRODUCTS:
            rows = iter(head.probabilities(features))
        else:
            rows = iter(await asyncio.to_thread(head.probabilities, features))
        return [
            outcome if isinstance(outcome, LastlayerError) else Predicted(next(rows), outcome.vectors[head.taps[-1]])
            for outcome in outcomes
        ]

    async def explain(
        self, version: ServedVersion, head: Head, image: bytes, label: str, *, deadline: float | None
    ) -> tuple[ActivationMap, Region]:
        """Return where the score of a class, the image's best one where empty, comes from, and what part of the image
        the cells cover.

        Raises NotExplainableError, InvalidFieldError for an unknown class, or what `FeaturizerClient.feature_maps`
        raises.
        """
        digest = version.backbone_digest
        try:
            spatial_means = await self._featurizer.spatial_means(digest=digest, deadline=deadline)
            check_explainable(head.taps, spatial_means, f"Version {version.version} of the model `{version.model}`")
            maps, region = await self._featurizer.feature_maps(image, head.taps, digest=digest, deadline=deadline)
        except BackboneMismatchError as error:
            raise _mismatch(version, error) from error
        return await asyncio.to_thread(activation_map, head, maps, label), region


def _mismatch(version: ServedVersion, error: BackboneMismatchError) -> BackboneMismatchError:
    expected, actual = version.backbone_digest, error.metadata["actual"]
    return BackboneMismatchError(
        f"Version {version.version} of the model `{version.model}` takes features of {version.backbone_name} "
        f"({expected}), but the featurizer serves another backbone ({actual}); serve {version.backbone_name}, "
        "or add the images of its dataset again and train the model anew.",
        expected=expected,
        actual=actual,
    )
