"""Predicts: one call of the featurizer for all images of a request, and the version's head on what it returns.

It explains predictions in the same way.
"""

import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter

from lastlayer.classifier.domain.drift.reference import DriftReference
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.labels import normalize_classes
from lastlayer.classifier.domain.types import Predicted, Region, ServedVersion
from lastlayer.classifier.domain.views import mean_over
from lastlayer.classifier.features.client import Featurized, FeaturizerClient
from lastlayer.classifier.features.load_shedding import CongestionWindow
from lastlayer.classifier.prediction.activation_map import ActivationMap, activation_map, check_explainable
from lastlayer.classifier.prediction.capture.capture import Capture
from lastlayer.classifier.prediction.drift.monitor import DriftMonitor, VersionWatch, read_reference
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.errors import BackboneMismatchError, FeaturesTooFarError, LastlayerError
from lastlayer.rpc.system.workers import Workers

_PREDICTIONS: Final = Counter("classifier_predictions", "Images that were predicted, or failed", ["outcome"])

_CACHED_HEADS: Final = 64

_QUICK_PRODUCTS: Final = 1_000_000
"""Up to this many products of features and weights, computing a head takes less time than handing it to a thread."""


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict."""

    model: str
    version: int
    """The model's default one where 0."""
    images: Sequence[bytes]
    threshold: float | None
    """The least probability of the best class with which a prediction is not rejected, or of a multi-label version with
    which a label is predicted; the head's where None."""


@dataclass(frozen=True)
class Predictions:
    """What a version makes of the images of a request."""

    version: ServedVersion
    head: Head
    outcomes: Sequence[Predicted | LastlayerError]
    """One an image, in the order of the request."""
    threshold: float
    """See `PredictionRequest.threshold`."""
    accepts_all: bool = False
    """Whether nothing is rejected, by the request's wish: not even what is unlike the training images."""
    label_thresholds: Sequence[float] | None = None
    """The probability from which on a multi-label version predicts each label; None of other versions."""


@dataclass(frozen=True)
class Explanation:
    """Where in an image the score of a class comes from."""

    version: ServedVersion
    head: Head
    explained: ActivationMap
    region: Region
    """What part of the image the cells of the map cover."""


class Predictor:
    """Predicts with stored heads, of which the latest used are kept in memory."""

    def __init__(
        self,
        models: ModelStore,
        featurizer: FeaturizerClient,
        workers: Workers,
        monitor: DriftMonitor,
        capture: Capture,
    ) -> None:
        """`workers` look versions up and compute large heads; `monitor` watches what `answer` is asked, and `capture`
        is offered the images.
        """
        self._models = models
        self._monitor = monitor
        self._capture = capture
        self._featurizer = featurizer
        self._workers = workers
        self._window = CongestionWindow()
        self._heads: OrderedDict[int, Head] = OrderedDict()

    def check_room(self, _deadline: float | None) -> None:
        """Raise OverloadedError where `answer` would for a single image, as the featurizer has said to have no room."""
        self._window.check(1)

    async def answer(self, request: PredictionRequest, *, deadline: float | None, patient: bool = False) -> Predictions:
        """Return the predictions that a request asks for; raises what `version` and `predict` raise.

        Where the caller is not `patient`, also OverloadedError before anything is done, where the featurizer has said
        that it has no room.
        """
        with contextlib.nullcontext() if patient else self._window.call(len(request.images)):
            version, head = await self.version(request.model, request.version)
            watch = await self._watch(version, is_default=not request.version)
            outcomes = await self.predict(
                version, head, request.images, deadline=deadline, patient=patient, reference=watch.reference
            )
        watch.add([found.signals for found in outcomes if isinstance(found, Predicted) and found.signals is not None])
        self._capture.offer(version, request.images, outcomes)
        threshold = head.threshold if request.threshold is None else request.threshold
        thresholds = head.label_thresholds
        if thresholds is not None and request.threshold is not None:
            thresholds = (request.threshold,) * len(thresholds)
        return Predictions(
            version, head, outcomes, threshold, accepts_all=request.threshold == 0, label_thresholds=thresholds
        )

    async def version(self, model: str, number: int) -> tuple[ServedVersion, Head]:
        """Return a version, the default where `number` is 0, with its head.

        Raises ResourceNotFoundError or StoreCorruptError.
        """
        version = await self._workers.run(self._models.resolve, model, number)
        head = self._heads.get(version.key)
        if head is None:
            head = Head.from_bytes(await self._workers.run(self._models.head, version.key))
            # Labels are normalised since; those of an older head are to be found by them.
            head = replace(head, classes=normalize_classes(head.classes))
            self._heads[version.key] = head
            if len(self._heads) > _CACHED_HEADS:
                self._heads.popitem(last=False)
        else:
            self._heads.move_to_end(version.key)
        return version, head

    async def _watch(self, version: ServedVersion, *, is_default: bool) -> VersionWatch:
        """Return what watches a version, which `is_default` where nobody asked for it by its number."""
        if is_default:
            self._monitor.note_default(version)
        if (watch := self._monitor.find(version.key)) is not None:
            return watch
        stored = await self._workers.run(self._models.drift_reference, version.key)
        return self._monitor.begin(version, read_reference(stored, version))

    async def predict(
        self,
        version: ServedVersion,
        head: Head,
        images: Sequence[bytes],
        *,
        deadline: float | None,
        patient: bool = False,
        hashes: bool = False,
        reference: DriftReference | None = None,
    ) -> list[Predicted | LastlayerError]:
        """Return what a version makes of each image, with its perceptual hashes where those are wanted, or why nothing.

        With a `reference`, also with what is compared with that.

        Raises what `FeaturizerClient.featurize` raises.
        """
        try:
            outcomes = await self._featurizer.featurize(
                images,
                head.taps,
                digest=version.backbone_digest,
                deadline=deadline,
                views=head.views,
                patient=patient,
                hashes=hashes,
                min_mean_cosine=head.min_mean_cosine,
            )
        except BackboneMismatchError as error:
            raise _mismatch(version, error) from error
        except FeaturesTooFarError as error:
            raise _too_far(version, error) from error
        found = [outcome for outcome in outcomes if not isinstance(outcome, LastlayerError)]
        _PREDICTIONS.labels("done").inc(len(found))
        _PREDICTIONS.labels("failed").inc(len(outcomes) - len(found))
        if not found:
            return [outcome for outcome in outcomes if isinstance(outcome, LastlayerError)]
        features = {
            tap: np.stack([mean_over(outcome.vectors, tap, head.views) for outcome in found]) for tap in head.taps
        }
        if len(found) * head.weights.size <= _QUICK_PRODUCTS:
            rows = _score(head, features, reference)
        else:
            rows = await self._workers.run(_score, head, features, reference)
        scored = iter(rows)
        return [
            outcome if isinstance(outcome, LastlayerError) else _predicted(next(scored), outcome, head)
            for outcome in outcomes
        ]

    async def explain(
        self, model: str, number: int, image: bytes, label: str, *, deadline: float | None
    ) -> Explanation:
        """Return where in an image the score of a class comes from, of the image's best one where `label` is empty.

        Raises ResourceNotFoundError, NotExplainableError, InvalidFieldError for an unknown class, or what
        `FeaturizerClient.feature_maps` raises.
        """
        version, head = await self.version(model, number)
        digest = version.backbone_digest
        try:
            spatial_means = await self._featurizer.spatial_means(digest=digest, deadline=deadline)
            check_explainable(head.taps, spatial_means, f"Version {version.version} of the model `{version.model}`")
            seen = [
                await self._featurizer.feature_maps(
                    image, head.taps, digest=digest, deadline=deadline, view=view, min_mean_cosine=head.min_mean_cosine
                )
                for view in head.views
            ]
        except BackboneMismatchError as error:
            raise _mismatch(version, error) from error
        except FeaturesTooFarError as error:
            raise _too_far(version, error) from error
        return Explanation(version, head, *await self._workers.run(activation_map, head, seen, label))


class _Row(NamedTuple):
    """What a head makes of an image, see `Predicted`."""

    probabilities: npt.NDArray[np.float64]
    distance: np.float64
    logits: npt.NDArray[np.float64]
    signals: npt.NDArray[np.float32] | None


def _score(head: Head, features: Mapping[str, npt.NDArray[np.float32]], reference: DriftReference | None) -> list[_Row]:
    """Return what a head makes of n images, whose features are float32 [n, d] at each tap."""
    vectors = head.stack(features)
    probabilities, distances, logits = head.score_stacked(vectors)
    signals: Iterable[npt.NDArray[np.float32] | None] = itertools.repeat(None, len(vectors))
    if reference is not None:
        signals = reference.measure(head, features, vectors, probabilities, distances)
    return [_Row(*row) for row in zip(probabilities, distances, logits, signals, strict=True)]


def _predicted(row: _Row, featurized: Featurized, head: Head) -> Predicted:
    deepest = mean_over(featurized.vectors, head.taps[-1], head.views)
    return Predicted(row.probabilities, deepest, float(row.distance), featurized.hashes, row.logits, row.signals)


def _mismatch(version: ServedVersion, error: BackboneMismatchError) -> BackboneMismatchError:
    expected, actual = version.backbone_digest, error.metadata["actual"]
    return BackboneMismatchError(
        f"Version {version.version} of the model `{version.model}` takes features of {version.backbone_name} "
        f"({expected}), but the featurizer serves another backbone ({actual}); serve {version.backbone_name}, "
        "or add the images of its dataset again and train the model anew.",
        expected=expected,
        actual=actual,
    )


def _too_far(version: ServedVersion, error: FeaturesTooFarError) -> FeaturesTooFarError:
    return FeaturesTooFarError(
        f"Version {version.version} of the model `{version.model}` cannot use the featurizer: {error.message}",
        metadata=error.metadata,
    )
