"""Predicts: one call of the featurizer for all images of a request, and the version's head on what it returns.

It explains predictions in the same way.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from typing import Final, NamedTuple, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from prometheus_client import Counter

from lastlayer.classifier.domain.arrays import Features
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import Predicted, Region, ServedVersion
from lastlayer.classifier.domain.views import mean_over
from lastlayer.classifier.features.client import Featurized, FeaturizerClient
from lastlayer.classifier.features.load_shedding import CongestionWindow
from lastlayer.classifier.prediction.activation_map import ActivationMap, activation_map, check_explainable
from lastlayer.classifier.prediction.capture.capture import Capture
from lastlayer.classifier.prediction.drift.monitor import DriftMonitor, VersionWatch, read_reference
from lastlayer.classifier.prediction.served_heads import ServedHeads
from lastlayer.classifier.store.models import ModelStore
from lastlayer.rpc.errors import BackboneMismatchError, FeaturesTooFarError, LastlayerError
from lastlayer.rpc.system.workers import Workers

_PREDICTIONS: Final = Counter("classifier_predictions", "Images that were predicted, or failed", ["outcome"])
_DONE, _FAILED = (_PREDICTIONS.labels(outcome) for outcome in ("done", "failed"))

_QUICK_PRODUCTS: Final = 1_000_000
"""Up to this many products of features and weights, computing a head takes less time than handing it to a thread."""

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Outcomes = Sequence[Featurized | LastlayerError]


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
        heads: ServedHeads,
        featurizer: FeaturizerClient,
        workers: Workers,
        monitor: DriftMonitor,
        capture: Capture,
    ) -> None:
        """`workers` compute large heads and read references of drift; `monitor` watches what `answer` is asked, and
        `capture` is offered the images.
        """
        self._models = models
        self._heads = heads
        self._monitor = monitor
        self._capture = capture
        self._featurizer = featurizer
        self._workers = workers
        self._window = CongestionWindow()
        self._watching: set[asyncio.Task[None]] = set()

    def check_room(self, _deadline: float | None) -> None:
        """Raise OverloadedError where `answer` would for a single image, as the featurizer has said to have no room."""
        self._window.check(1)

    async def answer(self, request: PredictionRequest, *, deadline: float | None, patient: bool = False) -> Predictions:
        """Return the predictions that a request asks for; raises what `ServedHeads.find` and `predict` raise.

        Where the caller is not `patient`, also OverloadedError before anything is done, where the featurizer has said
        that it has no room.
        """
        with contextlib.nullcontext() if patient else self._window.call(len(request.images)):
            version, head, featurized = await self._featurize_for(request, deadline=deadline, patient=patient)
            watch = await self._watch(version, is_default=not request.version)
            outcomes, scored = await self._score(head, featurized)
        if scored is not None and watch.reference is not None:
            # The caller need not wait for that.
            watching = asyncio.create_task(self._compare(watch, head, scored))
            self._watching.add(watching)
            watching.add_done_callback(self._watching.discard)
        self._capture.offer(version, request.images, outcomes)
        threshold = head.threshold if request.threshold is None else request.threshold
        thresholds = head.label_thresholds
        if thresholds is not None and request.threshold is not None:
            thresholds = (request.threshold,) * len(thresholds)
        return Predictions(
            version, head, outcomes, threshold, accepts_all=request.threshold == 0, label_thresholds=thresholds
        )

    async def _featurize_for(
        self, request: PredictionRequest, *, deadline: float | None, patient: bool
    ) -> tuple[ServedVersion, Head, _Outcomes]:
        """Return the version that a request means, its head, and the features of the images.

        Where the store has to be asked, the images are featurized meanwhile for the version that was meant the last
        time: hardly ever is it another one now.
        """

        async def featurize(version: ServedVersion, head: Head) -> _Outcomes:
            return await self._featurize(version, head, request.images, deadline=deadline, patient=patient)

        current = self._heads.current(request.model, request.version)
        if current is not None:
            return *current, await featurize(*current)
        latest = self._heads.latest(request.model, request.version)
        if latest is None:
            served = await self._heads.find(request.model, request.version)
            return *served, await featurize(*served)
        begun = asyncio.create_task(featurize(*latest))
        try:
            version, head = await self._heads.find(request.model, request.version)
            return version, head, await (begun if version == latest[0] else featurize(version, head))
        finally:
            begun.cancel()  # where it is not what was asked for
            begun.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _watch(self, version: ServedVersion, *, is_default: bool) -> VersionWatch:
        """Return what watches a version, which `is_default` where nobody asked for it by its number."""
        if is_default:
            self._monitor.note_default(version)
        if (watch := self._monitor.find(version.key)) is not None:
            return watch
        stored = await self._workers.run(self._models.drift_reference, version.key)
        return self._monitor.begin(version, read_reference(stored, version))

    async def _compare(self, watch: VersionWatch, head: Head, scored: "_Scored") -> None:
        """Compare images that were predicted with those that the version was trained on."""
        assert watch.reference is not None  # noqa: S101 - else there is nothing to compare with
        measure = watch.reference.measure
        watch.add(await self._compute(head, scored.vectors, measure, head, *scored[:4]))

    async def predict(
        self,
        version: ServedVersion,
        head: Head,
        images: Sequence[bytes],
        *,
        deadline: float | None,
        patient: bool = False,
        hashes: bool = False,
    ) -> list[Predicted | LastlayerError]:
        """Return what a version makes of each image, with its perceptual hashes where those are wanted, or why nothing.

        Raises what `FeaturizerClient.featurize` raises.
        """
        found = await self._featurize(version, head, images, deadline=deadline, patient=patient, hashes=hashes)
        return (await self._score(head, found))[0]

    async def _featurize(
        self,
        version: ServedVersion,
        head: Head,
        images: Sequence[bytes],
        *,
        deadline: float | None,
        patient: bool,
        hashes: bool = False,
    ) -> _Outcomes:
        try:
            return await self._featurizer.featurize(
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

    async def _score(
        self, head: Head, outcomes: _Outcomes
    ) -> "tuple[list[Predicted | LastlayerError], _Scored | None]":
        """Return what a head makes of images, and all of it as arrays; None where no image has features."""
        found = [outcome for outcome in outcomes if not isinstance(outcome, LastlayerError)]
        _DONE.inc(len(found))
        _FAILED.inc(len(outcomes) - len(found))
        if not found:
            return [outcome for outcome in outcomes if isinstance(outcome, LastlayerError)], None
        features = {
            tap: np.stack([mean_over(outcome.vectors, tap, head.views) for outcome in found]) for tap in head.taps
        }
        scored = await self._compute(head, found, _score, head, features)
        rows = zip(scored.probabilities, scored.features[head.taps[-1]], scored.distances, scored.logits, strict=True)
        predicted = iter(
            Predicted(probabilities, deepest, float(distance), outcome.hashes, logits)
            for outcome, (probabilities, deepest, distance, logits) in zip(found, rows, strict=True)
        )
        return [outcome if isinstance(outcome, LastlayerError) else next(predicted) for outcome in outcomes], scored

    async def _compute(
        self,
        head: Head,
        images: Sized,
        work: Callable[_Parameters, _Result],
        /,
        *args: _Parameters.args,
        **kwargs: _Parameters.kwargs,
    ) -> _Result:
        """Return what `work` returns that is done with a head and some images; in a thread where it takes long."""
        if len(images) * head.weights.size <= _QUICK_PRODUCTS:
            return work(*args, **kwargs)
        return await self._workers.run(work, *args, **kwargs)

    async def explain(
        self, model: str, number: int, image: bytes, label: str, *, deadline: float | None
    ) -> Explanation:
        """Return where in an image the score of a class comes from, of the image's best one where `label` is empty.

        Raises ResourceNotFoundError, NotExplainableError, InvalidFieldError for an unknown class, or what
        `FeaturizerClient.feature_maps` raises.
        """
        version, head = await self._heads.find(model, number)
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


class _Scored(NamedTuple):
    """What a head makes of n images."""

    features: Features
    """The means over its views, float32 [n, d] at each of its taps."""
    vectors: npt.NDArray[np.float32]
    """See `Head.stack`."""
    probabilities: npt.NDArray[np.float64]
    distances: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]
    """These three as of `Head.score_with_logits`."""


def _score(head: Head, features: Features) -> _Scored:
    vectors = head.stack(features)
    return _Scored(features, vectors, *head.score_stacked(vectors))


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
