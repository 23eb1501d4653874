"""Validates the choices of the recipe `auto`, and fits all examples by them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.familiarity import Familiarity
from lastlayer.classifier.evaluation.calibration import LEAST_EXAMPLES, fit_temperature
from lastlayer.classifier.fitting.discriminant import fit_discriminant
from lastlayer.classifier.fitting.folds import assign_folds, choose_fold_count, stratified_sample, weigh_fitted
from lastlayer.classifier.fitting.logistic import fit_single, iterate_logits
from lastlayer.classifier.training.auto.familiar import FAMILIAR_EXAMPLES, find_familiar
from lastlayer.classifier.training.auto.large import Everything, fit_everything
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import SEED, Fitted, Preference, Validation
from lastlayer.classifier.training.search.cross_validation import MANY_LOGITS, MANY_LOGITS_FOLDS, Search
from lastlayer.classifier.training.search.penalties import L2_BOUNDS
from lastlayer.classifier.training.search.scans import Choice, Regressions, Scan, Trial, choose
from lastlayer.rpc.vectors import View

_NESTED_FINALISTS: Final = 4

_LEAST_SPREAD: Final = 1e-9
"""Vectors of unit length with less variance than this, all elements together, are the same but for rounding."""

_NEAR: Final = 2.0
"""A penalty within this factor of a bound counts as at the bound."""

_MOST_UNSURE: Final = 1000.0
"""The most that the logits of a discriminant are divided or multiplied by."""

_MOST_SURE: Final = 2.0
"""How many times as far apart as the regression's the logits of a discriminant may be."""

_ALL: Final = slice(None)

_VALIDATION_TOLERANCE: Final = 2e-4

_MANY_TOLERANCE: Final = 2e-3

_FINAL_TOLERANCE: Final = 1e-5


class SearchedAuto:
    """The recipe `auto` on one dataset, its choices made."""

    def __init__(
        self,
        y: Indices,
        class_count: int,
        sample_weight: Array,
        progress: TrainingProgress,
        search: Search,
        scans: Sequence[Scan],
        rooted: bool,
        nested: bool,
        preference: Preference,
    ) -> None:
        """`scans` are those of `search` that decide; the features are roots where they are `rooted`."""
        self._y = y
        self._class_count = class_count
        self._sample_weight = sample_weight
        self._progress = progress
        self._search = search
        self._scans = scans
        self._rooted = rooted
        self._nested = nested
        self._prefers_cheap = preference is Preference.SPEED
        self._choice = choose(scans, sample_weight, prefers_cheap=self._prefers_cheap)
        self._discriminant_temperature: float | None = None
        """What the logits of a discriminant are divided by where it has a say; known once the recipe is validated."""

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that were chosen."""
        return self._choice.candidate.taps

    @property
    def views(self) -> tuple[View, ...]:
        """The views that were chosen."""
        return self._choice.candidate.views

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the choice, in one sentence each."""
        spread = sum(float(np.square(part.values).mean(0).sum()) for part in self._choice.candidate.parts)
        weakest, strongest = L2_BOUNDS
        if spread < _LEAST_SPREAD:
            note = (
                "The network makes the same of all images, as of pictures of one colour: the model tells classes by "
                "their frequency alone; add images that show something."
            )
        elif not weakest * _NEAR < self._choice.l2 < strongest / _NEAR:
            note = (
                f"The penalty L2 = {self._choice.l2:.3g} is at the end of what is tried: the features hardly tell the "
                "classes apart, or examples are copies of each other; look at them with `client review`."
            )
        else:
            return ()
        return (note,)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What was tried."""
        return self._search.trials(self._choice)

    def validate(self) -> Validation:
        """Cross-validate the recipe, the choosing included (see `NESTED_EXAMPLES`)."""
        self._progress.stage("cross-validating the recipe auto", 0.45, 0.75)
        many = len(self._y) * self._class_count > MANY_LOGITS
        fold_count = choose_fold_count(self._y, fine=not self._nested)
        if many:
            fold_count = min(fold_count, MANY_LOGITS_FOLDS)
        assigned = assign_folds(self._y, fold_count, SEED)
        folds = np.unique(assigned[assigned >= 0])
        logits = np.zeros((len(self._y), self._class_count))
        groups: dict[tuple[tuple[str, ...], tuple[View, ...]], list[tuple[int, Choice]]] = {}
        for fold, choice in zip(folds, self._choose_without(assigned, folds), strict=True):
            groups.setdefault(choice.candidate.key, []).append((int(fold), choice))
        for done, members in enumerate(groups.values()):
            self._fill_logits(members, assigned, logits)
            self._progress.tell(0.7 + 0.3 * (done + 1) / len(groups))
        rows = np.flatnonzero(assigned >= 0)
        self._blend(rows, assigned, logits)
        return Validation(rows, logits[rows], assigned[rows])

    def fit(self) -> Fitted:
        """Fit all examples."""
        candidate, l2 = self._choice.candidate, self._choice.l2
        regressions = self._regressions(self._choice)
        solution = fit_single(
            candidate.values(_ALL, np.float64),
            self._y,
            self._class_count,
            self._sample_weight,
            l2,
            tolerance=_FINAL_TOLERANCE,
            coordinates=self._search.coordinates(candidate, l2),
            start=regressions.near_whole(l2) if regressions else None,
            callback=self._progress,
        )
        if self._discriminant_temperature is not None:
            discriminant = self._fit_discriminant(np.ones(len(self._y), bool))
            if discriminant is not None:
                solution = (solution + discriminant / self._discriminant_temperature) / 2
        weights, biases = candidate.restore(solution)
        return Fitted(
            candidate.taps, True, weights, biases, l1=0.0, l2=l2, square_root=self._rooted, views=candidate.views
        )

    def fit_everything(self, everything: Everything, progress: TrainingProgress) -> tuple[Fitted, Validation]:
        """Fit all of the examples of which these are a sample, but for some by which the fit is validated.

        `progress` is told of this alone.
        """
        candidate, l2 = self._choice.candidate, self._choice.l2
        done = fit_everything(
            candidate,
            self._y,
            everything,
            self._class_count,
            self._sample_weight,
            l2,
            rooted=self._rooted,
            progress=progress,
        )
        fitted = Fitted(
            candidate.taps,
            True,
            done.weights,
            done.biases,
            l1=0.0,
            l2=done.l2,
            square_root=self._rooted,
            views=candidate.views,
        )
        return fitted, done.held_out

    def find_familiar(self, share: float) -> Familiarity | None:
        """Return what tells images that are unlike the examples, of which it rejects about a `share` while held out.

        None where the examples are too few to tell. Of many a sample is looked at.
        """
        rows = stratified_sample(self._y, FAMILIAR_EXAMPLES, SEED) if len(self._y) > FAMILIAR_EXAMPLES else _ALL
        y = self._y[rows]
        return find_familiar(self._choice.candidate, rows, assign_folds(y, choose_fold_count(y), SEED), share)

    def _choose_without(self, assigned: Indices, folds: Indices) -> list[Choice]:
        """Return the choice for each fold that its examples have no part in."""
        if not self._nested:
            left_out = (np.where(assigned == fold, 0.0, self._sample_weight) for fold in folds)
            return [choose(self._scans, sample_weight, prefers_cheap=self._prefers_cheap) for sample_weight in left_out]
        scans = self._search.scan_without(
            self._scans, assigned, _NESTED_FINALISTS, SEED + 1, lambda share: self._progress.tell(0.7 * share)
        )
        return [choose(of_fold, self._sample_weight, prefers_cheap=self._prefers_cheap) for of_fold in scans]

    def _fill_logits(self, members: Sequence[tuple[int, Choice]], assigned: Indices, logits: Array) -> None:
        """Write the logits, [n, c], of the examples of some folds, whose choices differ in the penalty alone."""
        features = members[0][1].candidate.values(_ALL, np.float32)
        everything = np.ones(len(self._y), bool)
        kept = [weigh_fitted(self._y, assigned != fold, everything) for fold, _ in members]
        sample_weight = np.stack(kept, 1) * self._sample_weight[:, None]
        many = len(self._y) * self._class_count > MANY_LOGITS
        tolerance = _MANY_TOLERANCE if many else _VALIDATION_TOLERANCE
        l2 = np.array([choice.l2 for _, choice in members])
        coordinates = self._search.coordinates(members[0][1].candidate, float(l2.mean()))
        solutions = self._search.fit(
            features,
            self._y,
            sample_weight,
            l2,
            tolerance,
            coordinates=coordinates,
            start=self._begin(members, assigned),
        )
        for rows, of_all in iterate_logits(features, solutions, self._progress):
            for number, (fold, _) in enumerate(members):
                own = assigned[rows] == fold
                logits[rows][own] = of_all[own, number]

    def _begin(self, members: Sequence[tuple[int, Choice]], assigned: Indices) -> Array | None:
        """Return where the fits of some folds begin, [r + 1, p, c]: at the search's, if it had the same folds."""
        regressions = self._regressions(members[0][1])
        if regressions is None or not np.array_equal(regressions.validating, assigned):
            return None
        return np.stack([regressions.near(choice.l2)[:, fold] for fold, choice in members], 1)

    def _regressions(self, choice: Choice) -> Regressions | None:
        """Return what the search fitted on the features of a choice, where it kept that."""
        kept = (scan.regressions for scan in self._scans if scan.candidate is choice.candidate)
        return next(kept, None)

    def _blend(self, rows: Indices, assigned: Indices, logits: Array) -> None:
        """Make the logits, [n, c], of the validated examples, [m], the means of theirs and of a discriminant's.

        The two err differently. Their mean lowers the log-loss on others from 0.478 to 0.461 with 20 photos a class,
        from 1.028 to 1.021 with 20 thumbnails, from 0.200 to 0.155 with 20 digits (`benchmarks/results/quality.txt`).
        A discriminant is far too sure, or not sure enough: each fold's is put right by the others. With fewer than
        `LEAST_EXAMPLES` that goes wrong: with 5 photos of each of 5 classes the log-loss rose by 0.01.
        """
        parts = self._choice.candidate.parts
        # Where folds choose among candidates, theirs may be others than the one that is kept.
        if len(self._scans) > 1 or len(parts) > 1 or len(rows) < LEAST_EXAMPLES:
            return
        values = parts[0].values.astype(np.float64, copy=False)
        found = np.zeros_like(logits)
        for fold in np.unique(assigned[rows]):
            self._progress()
            own = assigned == fold
            solution = self._fit_discriminant(~own)
            if solution is None:
                return
            found[own] = values[own] @ solution[:-1] + solution[-1]

        regression = logits.copy()

        def temperature(of: Indices) -> float:
            # Where it makes no mistake the best temperature is 0: the regression, which is penalised, tells how sure.
            least = _spread(found[of]) / max(_MOST_SURE * _spread(regression[of]), np.finfo(float).tiny)
            weights = self._sample_weight[of]
            return max(least, fit_temperature(found[of], self._y[of], weights, least=1, extreme=_MOST_UNSURE))

        for fold in np.unique(assigned[rows]):
            own = assigned == fold
            logits[own] = (logits[own] + found[own] / temperature(rows[assigned[rows] != fold])) / 2
        self._discriminant_temperature = temperature(rows)

    def _fit_discriminant(self, fitted: npt.NDArray[np.bool_]) -> Array | None:
        """Return a discriminant of some of the examples, bool [n], in the choice's features, [r + 1, c]."""
        values = self._choice.candidate.parts[0].values.astype(np.float64, copy=False)
        weights = weigh_fitted(self._y, fitted, np.ones(len(self._y), bool)) * self._sample_weight
        return fit_discriminant(values, self._y, self._class_count, weights)


def _spread(logits: Array) -> float:
    """Return how far logits, [n, c], are from their examples' means, on average."""
    return float(np.sqrt(np.square(logits - logits.mean(1, keepdims=True)).mean()))
