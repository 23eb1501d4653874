"""Trains a logistic regression for each label on the same features, and says what to expect of them."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.views import candidate_views
from lastlayer.classifier.evaluation.multi_label.metrics import (
    LEAST_OF_EACH,
    MultiLabelMetrics,
    evaluate_labels,
)
from lastlayer.classifier.evaluation.multi_label.thresholds import (
    USUAL,
    LabelThresholds,
    calibrate_labels,
    choose_label_thresholds,
)
from lastlayer.classifier.fitting.coordinates import Coordinates
from lastlayer.classifier.fitting.multi_label.folds import assign_label_folds, choose_fold_count
from lastlayer.classifier.fitting.multi_label.sigmoid import fit_sigmoid
from lastlayer.classifier.fitting.threads import one_thread
from lastlayer.classifier.training.auto.familiar import FAMILIAR_EXAMPLES, find_familiar
from lastlayer.classifier.training.auto.trainer import AutoTrainer
from lastlayer.classifier.training.multi_label.notes import (
    describe_label_estimate,
    describe_labels,
    describe_not_promised,
)
from lastlayer.classifier.training.multi_label.search import LabelScan, LabelSearch
from lastlayer.classifier.training.notes import describe_unfamiliar
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import SEED, TapFeatures
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.cross_validation import SEARCH_EXAMPLES
from lastlayer.classifier.training.search.scans import Trial
from lastlayer.rpc.vectors import View

LEAST_ESTIMATED: Final = 6
"""With fewer images no estimate is given."""

_MANY_DECISIONS: Final = 500_000
"""With more images x labels than this there are three folds, and the penalties of a sample are the only ones on all."""

_MANY_FOLDS: Final = 3
_STEP: Final = 10.0**0.5
_VALIDATION_TOLERANCE: Final = 3e-4
_FINAL_TOLERANCE: Final = 1e-5
_ALL: Final = slice(None)


@dataclass(frozen=True)
class OutOfFoldDecisions:
    """What was predicted of all images by heads that were trained without them."""

    targets: npt.NDArray[np.bool_]
    """bool [n, c], which labels they have."""
    probabilities: Array
    """float64 [n, c], calibrated."""
    predicted: npt.NDArray[np.bool_]
    """bool [n, c]."""


@dataclass(frozen=True)
class TrainedLabels:
    """A trained head and what is known of it."""

    head: Head
    """Calibrated: the logits of each label are divided by its temperature already."""
    cross_validation: MultiLabelMetrics | None
    """None where there are too few images to tell."""
    temperatures: tuple[float, ...]
    min_precision: float
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    """What a user should know, in one sentence each."""
    out_of_fold: OutOfFoldDecisions | None


def train_labels(
    taps: Sequence[TapFeatures],
    label_sets: Sequence[Sequence[str]],
    *,
    min_precision: float = 0.0,
    unfamiliar_share: float = 0.0,
    progress: Callable[[str, float], None],
    cancelled: Callable[[], bool],
) -> TrainedLabels:
    """Train a head on the features of n images at some taps, from the shallowest to the deepest, and their labels.

    The features are those of the recipe `auto`: square roots, each tap's vector of unit length, all taps side by side.
    Each label has a regression of its own, with an L2 penalty chosen by cross-validated log-loss, a temperature and a
    threshold: the one with the best F1 out of fold, or with a precision of at least `min_precision`. Images unlike
    these are told by a distance that `unfamiliar_share` of them are beyond while held out. `progress` and `cancelled`
    are as for `training.trainer.train`.

    Raises DatasetNotTrainableError where no label tells images apart, and TrainingCancelledError.
    """
    labels = tuple(dict.fromkeys(label for labels in label_sets for label in labels))
    targets = _mark(label_sets, labels)
    _check(targets, labels)
    importlib.import_module("scipy.optimize")  # before the threads are limited, which holds for what is loaded
    training_progress = TrainingProgress(progress, cancelled)
    with one_thread():
        return _LabelTraining(taps, targets, labels, training_progress).run(min_precision, unfamiliar_share)


def _mark(label_sets: Sequence[Sequence[str]], labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which labels each image has, bool [n, c]."""
    index = {label: number for number, label in enumerate(labels)}
    targets = np.zeros((len(label_sets), len(labels)), bool)
    for row, of_image in enumerate(label_sets):
        targets[row, [index[label] for label in of_image]] = True
    return targets


def _check(targets: npt.NDArray[np.bool_], labels: Sequence[str]) -> None:
    if not len(labels):
        found = f"{len(targets)} images without any label" if len(targets) else "no examples"
        raise DatasetNotTrainableError(f"The dataset has {found}; training needs images that have labels.")
    if targets.all():
        what = f"the label `{labels[0]}`" if len(labels) == 1 else f"the same {len(labels)} labels"
        raise DatasetNotTrainableError(
            f"All images of the dataset have {what}; training needs a label that some images have and others lack: add "
            "images without it, whose label may be empty."
        )


class _LabelTraining:
    """One training."""

    def __init__(
        self,
        taps: Sequence[TapFeatures],
        targets: npt.NDArray[np.bool_],
        labels: tuple[str, ...],
        progress: TrainingProgress,
    ) -> None:
        self._taps = taps
        self._targets = targets
        self._labels = labels
        self._progress = progress
        self._told = ~targets.all(0)
        """Which labels some images lack: the others need no regression, and have none."""
        self._y = targets[:, self._told].astype(np.float64)
        self._many = targets.size > _MANY_DECISIONS
        count = choose_fold_count(len(targets))
        self._folds = assign_label_folds(targets, min(count, _MANY_FOLDS) if self._many else count, SEED)

    def run(self, min_precision: float, unfamiliar_share: float) -> TrainedLabels:
        """Train."""
        self._progress.stage("preparing the features", 0, 0.05)
        views, trials = self._choose_views()
        trainer = self._trainer(self._taps, len(self._targets))
        rooted = trainer.rooted
        [candidate] = trainer.build_candidates(rooted, views)
        self._progress.stage("choosing the regularisation of each label", 0.05, 0.6)
        search = LabelSearch(candidate, self._y, self._folds, self._progress)
        scan = self._scan(candidate, search)
        l2 = scan.choose_l2()
        self._progress.stage("cross-validating", 0.6, 0.85)
        logits = self._validate(search, scan)
        calibrated = calibrate_labels(logits, self._targets[:, self._told], self._folds)
        chosen = choose_label_thresholds(
            calibrated.probabilities, self._targets[:, self._told], self._folds, min_precision
        )
        self._progress.stage("fitting all images", 0.85, 1)
        head = self._fit(candidate, search.coordinates, l2, calibrated.temperatures, chosen, rooted, unfamiliar_share)
        self._progress.tell(1)
        decisions = self._decide(calibrated.probabilities, chosen)
        estimate = self._estimate(decisions, head)
        own = np.flatnonzero(self._told)
        trials = trials or (self._trial(candidate, scan, len(self._targets), chosen=True),)
        return TrainedLabels(
            head=head,
            cross_validation=estimate,
            temperatures=tuple(self._spread(calibrated.temperatures, 1.0).tolist()),
            min_precision=min_precision,
            trials=trials,
            notes=(
                *describe_labels(self._targets, self._labels),
                *describe_label_estimate(estimate, len(self._targets), LEAST_ESTIMATED),
                *describe_not_promised(self._labels, own[chosen.not_promised].tolist(), min_precision),
                *describe_unfamiliar(unfamiliar_share, found=head.familiarity is not None),
            ),
            out_of_fold=decisions,
        )

    def _trainer(self, taps: Sequence[TapFeatures], count: int) -> AutoTrainer:
        """Return what prepares features as the recipe `auto` does."""
        fits = 2 * self._y.shape[1]
        return AutoTrainer(taps, np.zeros(count, np.intp), fits, np.ones(count), self._progress)

    def _choose_views(self) -> tuple[tuple[View, ...], tuple[Trial, ...]]:
        """Return the views whose log-loss is the least, on a sample where images are many, and what was tried."""
        every = candidate_views(tuple(dict.fromkeys(tap.view for tap in self._taps)))
        if len(every) == 1:
            return every[0], ()
        rows = self._sample()
        taps = [replace(tap, values=tap.values[rows]) for tap in self._taps]
        trainer = self._trainer(taps, len(rows))
        found: list[tuple[Candidate, LabelScan]] = []
        for views in every:
            [candidate] = trainer.build_candidates(trainer.rooted, views)
            found.append((candidate, LabelSearch(candidate, self._y[rows], self._folds[rows], self._progress).scan()))
        best = int(np.argmin([scan.mean().min() for _, scan in found]))
        trials = [
            self._trial(candidate, scan, len(rows), chosen=number == best)
            for number, (candidate, scan) in enumerate(found)
        ]
        return every[best], tuple(trials)

    def _sample(self) -> Indices:
        """Return some images, each label in its proportion: all where they are few."""
        parts = max(1, len(self._targets) // SEARCH_EXAMPLES)
        if parts == 1:
            return np.arange(len(self._targets))
        return np.flatnonzero(assign_label_folds(self._targets, parts, SEED + 1) == 0)

    def _scan(self, candidate: Candidate, search: LabelSearch) -> LabelScan:
        """Return the losses by which penalties are chosen: of many images a sample tells where to look."""
        rows = self._sample()
        if len(rows) == len(self._targets):
            return search.scan()
        few = candidate.rotated(rows)
        folds = assign_label_folds(self._targets[rows], choose_fold_count(len(rows)), SEED)
        scan = LabelSearch(few, self._y[rows], folds, self._progress).scan()
        if self._many:
            return scan
        centre = float(np.exp(np.log(scan.choose_l2()).mean()))
        return search.scan(np.array([centre * _STEP, centre, centre / _STEP]))

    def _validate(self, search: LabelSearch, scan: LabelScan) -> Array:
        """Return the out-of-fold logits, [n, c]: the penalties of each fold are chosen by the losses of the others."""
        folds = np.unique(self._folds)
        if scan.losses.shape[1] == len(self._folds):
            l2 = np.stack([scan.choose_l2(self._folds != fold) for fold in folds])
        else:
            l2 = np.tile(scan.choose_l2(), (len(folds), 1))
        return search.logits(l2, _VALIDATION_TOLERANCE)

    def _fit(
        self,
        candidate: Candidate,
        coordinates: Coordinates | None,
        l2: Array,
        temperatures: Array,
        chosen: LabelThresholds,
        rooted: bool,
        unfamiliar_share: float,
    ) -> Head:
        features = candidate.values(_ALL, np.float64)
        count = len(self._targets)
        solution = fit_sigmoid(
            features,
            self._y,
            np.ones((count, 1)),
            l2,
            tolerance=_FINAL_TOLERANCE,
            coordinates=coordinates,
            callback=self._progress,
        )[:, 0]
        own_weights, own_biases = candidate.restore(solution / temperatures)
        weights = np.zeros((len(own_weights), len(self._labels)), np.float32)
        weights[:, self._told] = own_weights
        # All images have the others; one more that has not is as much as to say that nothing else was seen.
        biases = np.full(len(self._labels), np.log(count + 1.0))
        biases[self._told] = own_biases
        rows = self._sample()[:FAMILIAR_EXAMPLES]
        familiarity = find_familiar(candidate, rows, self._folds[rows], unfamiliar_share) if unfamiliar_share else None
        return Head(
            taps=candidate.taps,
            unit_length=True,
            classes=self._labels,
            weights=weights,
            biases=biases.astype(np.float32),
            l1=0.0,
            l2=float(np.exp(np.log(l2).mean())),
            square_root=rooted,
            familiarity=familiarity,
            views=candidate.views,
            label_thresholds=tuple(self._spread(chosen.thresholds, USUAL).tolist()),
        )

    def _decide(self, probabilities: Array, chosen: LabelThresholds) -> OutOfFoldDecisions:
        count = len(self._targets)
        every = np.full(self._targets.shape, (count + 1.0) / (count + 2.0))
        every[:, self._told] = probabilities
        predicted = np.ones(self._targets.shape, bool)
        predicted[:, self._told] = chosen.predicted
        return OutOfFoldDecisions(self._targets, every, predicted)

    def _estimate(self, decisions: OutOfFoldDecisions, head: Head) -> MultiLabelMetrics | None:
        if len(self._targets) < LEAST_ESTIMATED:
            return None
        return evaluate_labels(
            decisions.probabilities,
            decisions.targets,
            self._labels,
            np.array(head.label_thresholds),
            predicted=decisions.predicted,
            independent=False,
            least_of_each=LEAST_OF_EACH,
        )

    def _spread(self, values: Array, other: float) -> Array:
        """Return values of the labels that have a regression, and `other` for those that have none."""
        spread = np.full(len(self._labels), other)
        spread[self._told] = values
        return spread

    def _trial(self, candidate: Candidate, scan: LabelScan, count: int, *, chosen: bool) -> Trial:
        best = int(scan.mean().argmin())
        of_images = scan.losses[best].mean(1, dtype=np.float64)
        error = float(of_images.std(ddof=1) / np.sqrt(len(of_images))) if len(of_images) > 1 else 0.0
        return Trial(
            candidate.taps, float(scan.path[best]), float(of_images.mean()), error, count, chosen, candidate.views
        )
