"""Prints how good heads of independent labels are beside scikit-learn's.

Run it by `python -m benchmarks.heads.multi_label DATA...`. DATA are tables of images with labels, as `client train
--multi-label` takes them; `benchmarks.sets` writes some. Of each, the images are split into five folds, each label in
its proportion, and each fold is predicted by what was fitted on some of the others: by the trainer, and by
scikit-learn's one-vs-rest `LogisticRegression` on the same features (roots, each tap of unit length), with C = 1 and
with the C of the least cross-validated log-loss of each label. These features are rotated into as many columns as there
are images, where the solutions are the same and scikit-learn is quicker. Average precision is the mean over labels and
folds.

The second table has the penalty: one for all labels, one of each label's own, and what the trainer does, each label's
own drawn to what is the best for all. Images are featurized in this process, once.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import average_precision_score, f1_score
from sklearn.multiclass import OneVsRestClassifier

from benchmarks.heads.taps import featurize
from benchmarks.load.processes import machine
from lastlayer.classifier.domain.arrays import Array
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.fitting.feature_blocks import FeatureBlocks
from lastlayer.classifier.fitting.multi_label.folds import assign_label_folds
from lastlayer.classifier.fitting.multi_label.sigmoid import fit_sigmoid
from lastlayer.classifier.fitting.pca import Rotated, rotate
from lastlayer.classifier.training.multi_label.search import LabelScan, LabelSearch
from lastlayer.classifier.training.multi_label.trainer import TrainedLabels, train_labels
from lastlayer.classifier.training.progress import TrainingProgress
from lastlayer.classifier.training.recipes import TapFeatures
from lastlayer.classifier.training.search.candidates import Candidate
from lastlayer.client.data.labelled import read_data

_FOLDS = 5
_STRENGTHS = np.logspace(-1, 4, 6)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="a table of images with labels")
    parser.add_argument("--images", type=int, nargs="+", default=(100, 400), help="how many images are trained on")
    parser.add_argument("--backbone", default="", help="as LASTLAYER_BACKBONE, which holds if not given")
    options = parser.parse_args(arguments)
    out = Console(width=160)
    out.print(f"machine: {machine()}")
    columns = (
        "data",
        "images",
        "trainer",
        "seconds",
        "C = 1",
        "C by labels",
        "seconds",
        "F1 at thresholds",
        "F1 at 0.5",
    )
    quality = Table(*columns, "AP estimated", title="Average precision on held-out folds")
    penalties = Table("data", "images", "one for all", "each its own", "drawn together", title="Log-loss by penalty")
    for source in options.data:
        examples = read_data(source, multi_label=True).examples
        _, taps = featurize(examples, options.backbone)
        labels = list(dict.fromkeys(label for example in examples for label in example.labels or ()))
        targets = np.array([[label in (example.labels or ()) for label in labels] for example in examples])
        folds = assign_label_folds(targets, _FOLDS, 0)
        for count in options.images:
            measured = [_measure(taps, targets, labels, folds != fold, folds == fold, count) for fold in range(_FOLDS)]
            means = np.array(measured).mean(0)
            quality.add_row(source.parent.name, str(count), *(f"{value:.4f}" for value in means[:8]))
            penalties.add_row(source.parent.name, str(count), *(f"{value:.4f}" for value in means[8:]))
    out.print(quality)
    out.print(penalties)


def _measure(
    taps: Sequence[TapFeatures],
    targets: Array,
    labels: Sequence[str],
    others: Array,
    held_out: Array,
    count: int,
) -> list[float]:
    """Return the numbers of a row of both tables, of one fold."""
    rows = np.random.default_rng(count).permutation(np.flatnonzero(others))[:count]
    fitted = [TapFeatures(tap.name, tap.are_logits, tap.values[rows].copy(), tap.view) for tap in taps]
    sets = [[labels[place] for place in np.flatnonzero(of_image).tolist()] for of_image in targets[rows]]
    started = time.perf_counter()
    trained = train_labels(fitted, sets, progress=lambda _, __: None, cancelled=lambda: False)
    seconds = time.perf_counter() - started
    head = trained.head
    place = [labels.index(label) for label in head.classes]
    true = targets[held_out][:, place]
    found = head.probabilities({tap.name: tap.values[held_out] for tap in taps})
    rotated = rotate(_prepare(head, taps, rows).astype(np.float32))
    ours = rotated.values
    theirs = (_prepare(head, taps, np.flatnonzero(held_out)) - rotated.mean) @ rotated.directions
    started = time.perf_counter()
    plain = _one_vs_rest(LogisticRegression(max_iter=2000), ours, targets[rows][:, place], theirs)
    chosen = _one_vs_rest(
        LogisticRegressionCV(Cs=_STRENGTHS, cv=5, scoring="neg_log_loss", max_iter=2000),
        ours,
        targets[rows][:, place],
        theirs,
    )
    scikit_seconds = time.perf_counter() - started
    return [
        _precision(true, found),
        seconds,
        _precision(true, plain),
        _precision(true, chosen),
        scikit_seconds,
        f1_score(true, found >= np.array(head.label_thresholds), average="macro", zero_division=0),
        f1_score(true, found >= 0.5, average="macro", zero_division=0),
        _estimate(trained),
        *_compare_penalties(rotated, targets[rows][:, place], theirs, true),
    ]


def _prepare(head: Head, taps: Sequence[TapFeatures], rows: Array) -> Array:
    values = {tap.name: tap.values[rows] for tap in taps}
    return np.hstack([head.prepare(values[name]) for name in head.taps])


def _one_vs_rest(model: LogisticRegression, features: Array, targets: Array, others: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probabilities: Array = OneVsRestClassifier(model).fit(features, targets).predict_proba(others)
    return probabilities


def _precision(true: Array, probabilities: Array) -> float:
    told = true.any(0) & ~true.all(0)
    return float(average_precision_score(true[:, told], probabilities[:, told]))


def _estimate(trained: TrainedLabels) -> float:
    known = trained.cross_validation
    return float("nan") if known is None or known.macro_average_precision is None else known.macro_average_precision


def _compare_penalties(rotated: Rotated, targets: Array, others: Array, true: Array) -> list[float]:
    """Return the log-loss on others, rotated as well, of each way to choose penalties."""
    candidate = Candidate(("all",), (rotated,))
    folds = assign_label_folds(targets.astype(bool), 10, 1)
    quiet = TrainingProgress(lambda _, __: None, lambda: False)
    scan = LabelSearch(candidate, targets.astype(float), folds, quiet).scan()
    ways: list[Callable[[LabelScan], Array]] = [
        lambda known: np.full(targets.shape[1], known.path[int(known.mean().argmin())]),
        lambda known: known.path[known.losses.sum(1, dtype=np.float64).argmin(0)],
        lambda known: known.choose_l2(),
    ]
    losses = []
    blocks = FeatureBlocks([rotated.values], np.float64)
    for choose in ways:
        solution = fit_sigmoid(blocks, targets.astype(float), np.ones((len(targets), 1)), choose(scan), tolerance=1e-5)
        logits = others @ solution[:-1, 0] + solution[-1, 0]
        losses.append(float((np.logaddexp(0, logits) - true * logits).mean()))
    return losses


if __name__ == "__main__":
    main()
