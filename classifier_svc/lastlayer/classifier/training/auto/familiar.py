"""Summarises the examples of a head, so that images unlike them are told."""

from typing import Final

import numpy as np

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.familiarity import Familiarity
from lastlayer.classifier.evaluation.likeness.strangers import choose_max_distance, fit_subspace
from lastlayer.classifier.training.search.candidates import Candidate

FAMILIAR_EXAMPLES: Final = 1000
"""The most examples by which it is told what is unlike them."""


def find_familiar(candidate: Candidate, rows: Indices | slice, folds: Indices, share: float) -> Familiarity | None:
    """Return what tells images that are unlike some of the examples, `rows`, whose folds are `folds`; None where they
    are too few to tell. It rejects about a `share` of them while they are held out.
    """
    features = np.concatenate([block for _, block in candidate.values(rows, np.float64).blocks(1)])
    if not features.size:
        return None
    max_distance = choose_max_distance(features, folds, share)
    if max_distance is None:
        return None
    mean, directions = fit_subspace(features)
    columns, _ = candidate.restore(np.vstack([np.column_stack([directions, mean]), np.zeros(directions.shape[1] + 1)]))
    origin = np.concatenate([part.mean for part in candidate.parts])
    return Familiarity(columns[:, :-1].astype(np.float32), (origin + columns[:, -1]).astype(np.float32), max_distance)
