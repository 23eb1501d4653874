"""Takes labelled images into a dataset: featurizes what is new, stores it, and says what became of each."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from classifier_svc.datasets import DatasetStore
from classifier_svc.featurizer_client import FeaturizerClient, Vectors
from classifier_svc.records import Backbone, NewExample
from rpc.errors import LastlayerError


@dataclass(frozen=True)
class Offered:
    """An example that is offered to a dataset."""

    name: str
    label: str
    """Checked and trimmed; empty where `error` is set."""
    content: bytes
    """Empty where only the checksum was sent."""
    content_sha256: bytes
    error: LastlayerError | None = None
    """Why it cannot be taken, found when it was read."""


@dataclass(frozen=True)
class Outcome:
    """What became of an offered example."""

    is_new: bool = False
    content_needed: bool = False
    labels: tuple[str, ...] = ()
    """All labels that the image has in the dataset, several being a conflict."""
    error: LastlayerError | None = None


def sha256(content: bytes) -> bytes:
    """Return the checksum by which an image is known, 32 bytes."""
    return hashlib.sha256(content).digest()


class Ingest:
    """Takes examples into datasets."""

    def __init__(self, store: DatasetStore, featurizer: FeaturizerClient) -> None:
        self._store = store
        self._featurizer = featurizer

    async def backbone(self, deadline: float | None) -> Backbone:
        """Return the backbone that featurizes now."""
        return await self._featurizer.backbone(deadline)

    async def add(
        self, dataset: str, backbone: Backbone, offered: Sequence[Offered], *, deadline: float | None
    ) -> list[Outcome]:
        """Take some examples; those that are not refused are on disk when this returns.

        An image whose features are stored, for this dataset or another, is not featurized again. Raises what the
        featurizer's and the store's methods raise; then none of the examples was taken.
        """
        taken = [example for example in offered if example.error is None]
        stored = await asyncio.to_thread(
            self._store.featurized, backbone.digest, {example.content_sha256 for example in taken}
        )
        missing = {
            example.content_sha256: example.content
            for example in taken
            if example.content and example.content_sha256 not in stored
        }
        taps = [tap.name for tap in backbone.taps]
        computed = await self._featurizer.featurize(
            list(missing.values()), taps, digest=backbone.digest, deadline=deadline, patient=True
        )
        features = dict(zip(missing, computed, strict=True))
        outcomes = [_refusal(example, stored, features) for example in offered]
        new = [
            NewExample(example.name, example.content_sha256, example.label, _vectors(features, example))
            for example, refused in zip(offered, outcomes, strict=True)
            if refused is None
        ]
        added = iter(await asyncio.to_thread(self._store.add, dataset, backbone, new))
        return [refused or Outcome(is_new=(result := next(added)).is_new, labels=result.labels) for refused in outcomes]


def _refusal(
    example: Offered, stored: set[bytes], features: Mapping[bytes, Vectors | LastlayerError]
) -> Outcome | None:
    """Return the outcome of an example that cannot be stored, or None where it can."""
    if example.error is not None:
        return Outcome(error=example.error)
    outcome = features.get(example.content_sha256)
    if isinstance(outcome, LastlayerError):
        return Outcome(error=outcome)
    if outcome is None and example.content_sha256 not in stored:
        return Outcome(content_needed=True)
    return None


def _vectors(features: Mapping[bytes, Vectors | LastlayerError], example: Offered) -> Vectors | None:
    outcome = features.get(example.content_sha256)
    return None if isinstance(outcome, LastlayerError) else outcome
