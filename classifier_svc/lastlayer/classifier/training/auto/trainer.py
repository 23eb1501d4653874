"""Makes the candidates of the recipe `auto`, and chooses among them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Array, Indices
from lastlayer.classifier.domain.head import square_root, unit_length
from lastlayer.classifier.domain.views import candidate_views, mean_over
from lastlayer.classifier.fitting.folds import stratified_sample
from lastlayer.classifier.fitting.pca import (
    MAX_COLUMNS,
    is_overwritten,
    iterate_blocks,
    keep_largest,
    rotate,
    split_columns,
)
from lastlayer.classifier.training.auto.searched import SearchedAuto
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import SEED, Preference, TapFeatures
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.classifier.training.search.cross_validation import SEARCH_EXAMPLES, Search
from lastlayer.rpc.vectors import View, place

NESTED_EXAMPLES: Final = 400
"""Up to this many examples the cross-validation is nested: each fold's choice among the leading candidates is made by a
cross-validation of its own, without the fold's examples. With more examples, each fold's choice is made by the losses
of the other folds' examples: that leaves the fold's own losses out of the choice, and costs nothing. The regressions
behind the other losses were fitted on the fold's examples; with this many, that hardly matters."""

_NESTED_LOGITS: Final = 8000
"""The most examples times classes with which it is nested: the work grows with both."""

_MOST_PRODUCTS: Final = 1_000_000_000
"""The most examples x features x classes. Of more, only the directions in which the features vary most are kept: 2,000
of 3,376 with 100,000 examples of five classes, 64 with 20,000 of 1,000."""

_LEAST_RANK: Final = 64


class AutoTrainer:
    """The recipe `auto` on one dataset; `search` makes its choices."""

    def __init__(
        self,
        taps: Sequence[TapFeatures],
        y: Indices,
        class_count: int,
        sample_weight: Array,
        progress: TrainingProgress,
        preference: Preference = Preference.QUALITY,
    ) -> None:
        """`taps` are in order of depth, the deepest last; `y` is [n], the classes' indices; `sample_weight` is [n]."""
        # The network's class scores are left out unless there is nothing else: they are made of the deepest features,
        # for other classes than these.
        self._taps = [tap for tap in taps if not tap.are_logits] or list(taps)
        self._y = y
        self._class_count = class_count
        self._sample_weight = sample_weight
        self._progress = progress
        self._preference = preference
        # With all taps only the penalty is chosen, among a few: there is nothing that nesting would take out.
        few = len(y) <= NESTED_EXAMPLES and len(y) * class_count <= _NESTED_LOGITS
        self._nested = few and preference is Preference.SPEED

    @property
    def rooted(self) -> bool:
        """Whether the features have roots: there are none of features that may be negative, as of no rectifier."""
        return all(tap.values.min(initial=0) >= 0 for tap in self._taps)

    def search(self) -> "SearchedAuto":
        """Choose taps and penalty by cross-validated log-loss; overwrites features that are many."""
        self._progress.stage("preparing the features", 0, 0.05)
        rooted = self.rooted
        candidates = [candidate for views in self._choose_views() for candidate in self.build_candidates(rooted, views)]
        search = Search(self._y, self._class_count, self._sample_weight, self._progress)
        self._progress.stage("choosing taps and regularisation", 0.05, 0.45)
        scans = search.scan_all(candidates, SEED, self._progress.tell)
        return SearchedAuto(
            self._y,
            self._class_count,
            self._sample_weight,
            self._progress,
            search,
            scans,
            rooted,
            self._nested,
            self._preference,
        )

    def _choose_views(self) -> list[tuple[View, ...]]:
        """Return the views to choose from, from the cheapest to the dearest; of many examples a sample chooses, as all
        candidates together would take several times the memory.
        """
        views = candidate_views(tuple(dict.fromkeys(tap.view for tap in self._taps)))
        if len(views) == 1 or len(self._y) <= SEARCH_EXAMPLES:
            return views
        rows = stratified_sample(self._y, SEARCH_EXAMPLES, SEED)
        taps = [replace(tap, values=tap.values[rows]) for tap in self._taps]
        weights, quiet = self._sample_weight[rows], self._progress.silent()
        sample = AutoTrainer(taps, self._y[rows], self._class_count, weights, quiet, self._preference)
        return [sample.search().views]

    def build_candidates(self, rooted: bool, views: tuple[View, ...]) -> list[Candidate]:
        """Return what to choose from of some views, from the cheapest to the dearest: what costs is the depth of the
        deepest tap.

        These are all taps, side by side; for speed each tap and each with the one before it, too.
        """
        vectors = {place(tap.name, tap.view): tap.values for tap in self._taps}
        names = list(dict.fromkeys(tap.name for tap in self._taps))
        spans = [(0, len(names))]
        if self._preference is Preference.SPEED:
            spans = [(begin, end) for end in range(1, len(names) + 1) for begin in (end - 1, end - 2) if begin >= 0]
            spans = list(dict.fromkeys([*spans, (0, len(names))]))
        if len(self._y) <= MAX_COLUMNS and spans == [(0, len(names))]:
            # Together they have no more columns than there are examples, and so are fitted in a fraction of the time.
            together = [_prepare(mean_over(vectors, name, views), rooted, self._progress) for name in names]
            return [Candidate(tuple(names), (rotate(np.hstack(together), self._progress),), views)]
        parts = {}
        for done, name in enumerate(names):
            self._progress()
            prepared = _prepare(mean_over(vectors, name, views), rooted, self._progress)
            parts[name] = tuple(rotate(part, self._progress) for part in split_columns(prepared))
            self._progress.tell((done + 1) / len(names))
        rank = max(_LEAST_RANK, _MOST_PRODUCTS // (len(self._y) * self._class_count))
        return [
            Candidate(
                tuple(names[begin:end]),
                tuple(keep_largest([part for name in names[begin:end] for part in parts[name]], rank)),
                views,
            )
            for begin, end in spans
        ]


def _prepare(values: npt.NDArray[np.float32], rooted: bool, progress: TrainingProgress) -> npt.NDArray[np.float32]:
    """Return the rows, roots of them where they are `rooted`, scaled to length 1; in their place if overwritten."""
    if not is_overwritten(values):
        return unit_length(square_root(values) if rooted else values)
    for block in iterate_blocks(values):
        progress()
        block[:] = unit_length(square_root(block) if rooted else block)
    return values
