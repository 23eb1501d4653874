"""Prints how good heads are, and whether what is said of them holds: `python -m benchmarks.quality DATA`.

Of a folder of images, one sub-folder a class, some of each class are drawn at random and trained on; the rest is what
is true, each class with the share that it has in training, up to 1,000 images. Each row is of one way to train and one
number of images a class, over several draws:

- accuracy, log-loss, expected calibration error and Brier score on the rest, with their standard errors over the draws;
- the estimates minus what is true, and the share of the 95 % intervals that hold it;
- with a precision asked for: in how many draws it was promised, in how many of these it was kept, what was delivered;
- images of other folders (`--strangers`) that are unknown, and images of the rest that are not, by distance alone.

The rest is a sample, too: an interval holds the truth where it would with the rest's own error added to its half
(Newcombe, Interval Estimation for the Difference Between Independent Proportions, 1998, method 10). Of few photos left
over that error is the greater one.

With `--views`, each of them alone is a row as well, and all of them, between which training chooses. The images are
featurized in this process, once.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.heads.taps import featurize
from benchmarks.load.processes import machine
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.views import mean_over
from lastlayer.classifier.evaluation.intervals import inflate
from lastlayer.classifier.evaluation.metrics import evaluate
from lastlayer.classifier.evaluation.rejection import PrecisionNotReachedError, choose_threshold
from lastlayer.classifier.training.recipes import Preference, Recipe, TapFeatures
from lastlayer.classifier.training.trained import Trained
from lastlayer.classifier.training.trainer import train
from lastlayer.client.data.labelled import read_data
from lastlayer.rpc.vectors import CROP_ALONE, View, join_views, place

_UNFAMILIAR = 0.05
_MOST_TRUE = 1000
_SURE = 1.96


@dataclass(frozen=True)
class _Way:
    """A way to train."""

    name: str
    recipe: Recipe
    preference: Preference = Preference.QUALITY
    views: tuple[View, ...] = CROP_ALONE
    """What training may choose from."""

    def on(self, views: tuple[View, ...], *, told: bool) -> "_Way":
        """Return the same way on some views, which its name has where they are `told`."""
        return replace(self, views=views, name=f"{self.name}, {join_views(views)}" if told else self.name)


_WAYS = (
    _Way("auto", Recipe.AUTO),
    _Way("auto, speed", Recipe.AUTO, Preference.SPEED),
    _Way("tutorial", Recipe.TUTORIAL),
)


@dataclass
class _Measured:
    """What came out of the draws of a row."""

    truth: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Accuracy, log-loss, ECE and Brier score of each draw."""
    errors: list[tuple[float, float]] = field(default_factory=list)
    """Estimated minus true accuracy and log-loss, of the draws that have an estimate."""
    held: list[tuple[bool, bool]] = field(default_factory=list)
    """Whether the intervals of accuracy and log-loss hold what is true."""
    delivered: list[float] = field(default_factory=list)
    """The precision of what was accepted, of the draws in which it was promised."""
    chosen: list[tuple[View, ...]] = field(default_factory=list)
    """The views of each draw's head."""
    unknown: list[tuple[float, ...]] = field(default_factory=list)
    """The shares of own images, and of strangers if there are any, that are unfamiliar."""
    seconds: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with one sub-folder a class, or a TSV or CSV")
    parser.add_argument("--each", type=int, nargs="+", default=(2, 5, 20, 75), help="images of each class")
    parser.add_argument("--draws", type=int, default=20, help="how many random training sets")
    parser.add_argument("--ways", nargs="+", choices=[way.name for way in _WAYS], help="how to train; all if not given")
    parser.add_argument("--views", nargs="+", type=View.parse, default=CROP_ALONE, help="what of the images is seen")
    parser.add_argument("--min-precision", type=float, default=0.9, help="the precision that is asked for")
    parser.add_argument("--strangers", type=Path, help="a folder of images of other things")
    parser.add_argument("--backbone", default="", help="as LASTLAYER_BACKBONE, which holds if not given")
    options = parser.parse_args(arguments)
    out = Console(width=160)
    labels, taps = featurize(read_data(options.data, None).examples, options.backbone, options.views)
    strangers = None
    if options.strangers is not None:
        foreign = read_data(options.strangers, label="stranger").examples
        strangers = featurize(foreign, options.backbone, options.views)[1]
    views = [*((view,) for view in options.views), *([tuple(options.views)] if len(options.views) > 1 else [])]
    out.print(f"machine: {machine()}")
    out.print(f"{options.data.name}: {len(labels)} images of {len(set(labels))} classes, {options.draws} draws")
    tables = _tables(options.min_precision)
    for each in options.each:
        if each >= min(map(labels.count, set(labels))):
            continue
        wanted = [way for way in _WAYS if options.ways is None or way.name in options.ways]
        for way in (way.on(seen, told=len(views) > 1) for way in wanted for seen in views):
            measured = _measure(way, each, labels, taps, strangers, options.draws, options.min_precision)
            _add_rows(tables, way, each, measured, options)
    for table in tables:
        out.print(table)


def _measure(
    way: _Way,
    each: int,
    labels: Sequence[str],
    taps: Sequence[TapFeatures],
    strangers: Sequence[TapFeatures] | None,
    draws: int,
    min_precision: float,
) -> _Measured:
    names = np.array(labels)
    measured = _Measured()
    for draw in range(draws):
        random = np.random.default_rng(draw)
        drawn = [random.permutation(np.flatnonzero(names == label))[:each] for label in dict.fromkeys(labels)]
        rows = np.concatenate(drawn)
        rest = random.permutation(np.setdiff1d(np.arange(len(names)), rows))[:_MOST_TRUE]
        started = time.perf_counter()
        trained = _train(way, taps, names, rows)
        measured.seconds.append(time.perf_counter() - started)
        index = {label: number for number, label in enumerate(trained.head.classes)}
        y = np.array([index[label] for label in names[rest]])
        measured.chosen.append(trained.head.views)
        probabilities, distances = _score(trained.head, taps, rest)
        correct = probabilities.argmax(1) == y
        accuracy, accuracy_error = _balanced_mean(correct, y)
        log_loss, log_loss_error = _balanced_mean(-np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-15)), y)
        brier, _ = _balanced_mean(np.square(probabilities - np.eye(len(index))[y]).sum(1), y)
        ece = evaluate(probabilities, y, trained.head.classes).expected_calibration_error
        measured.truth.append((accuracy, log_loss, ece, brier))
        estimate = trained.cross_validation
        if estimate is not None and estimate.micro_accuracy_interval and estimate.log_loss_interval:
            measured.errors.append((estimate.micro_accuracy - accuracy, estimate.log_loss - log_loss))
            measured.held.append(
                (
                    _holds(estimate.micro_accuracy_interval, estimate.micro_accuracy, accuracy, accuracy_error),
                    _holds(estimate.log_loss_interval, estimate.log_loss, log_loss, log_loss_error),
                )
            )
        if trained.head.familiarity is not None:
            cut = trained.head.familiarity.max_distance
            own, _ = _balanced_mean(distances > cut, y)
            foreign = [_score(trained.head, strangers, slice(None))[1]] if strangers else []
            measured.unknown.append((own, *(float((found > cut).mean()) for found in foreign)))
        held_out = trained.out_of_fold
        if not min_precision or held_out is None:
            continue
        try:
            threshold = choose_threshold(
                held_out.probabilities, held_out.y, min_precision, inflate(held_out.y)
            ).threshold
        except PrecisionNotReachedError:
            continue
        accepted = probabilities.max(1) >= threshold
        if accepted.any():
            measured.delivered.append(float(correct[accepted].mean()))
    return measured


def _score(head: Head, taps: Sequence[TapFeatures], rows: "np.ndarray | slice") -> "tuple[np.ndarray, np.ndarray]":
    vectors = {place(tap.name, tap.view): tap.values[rows] for tap in taps}
    return head.score({tap: mean_over(vectors, tap, head.views) for tap in head.taps})


def _balanced_mean(values: "np.ndarray", y: "np.ndarray") -> tuple[float, float]:
    """Return the mean of values [n] in which each class counts the same, and its standard error."""
    groups = [values[y == number].astype(float) for number in np.unique(y)]
    variance = sum(float(group.var(ddof=1)) / len(group) for group in groups if len(group) > 1)
    return float(np.mean([group.mean() for group in groups])), float(np.sqrt(variance)) / len(groups)


def _holds(interval: tuple[float, float], estimate: float, true: float, error: float) -> bool:
    """Return whether an interval holds what is true, which was measured with a standard error."""
    half = estimate - interval[0] if estimate > true else interval[1] - estimate
    return abs(estimate - true) <= float(np.hypot(half, _SURE * error))


def _train(way: _Way, taps: Sequence[TapFeatures], names: "np.ndarray", rows: "np.ndarray") -> Trained:
    return train(
        [replace(tap, values=tap.values[rows]) for tap in taps if tap.view in way.views],
        list(names[rows]),
        way.recipe,
        preference=way.preference,
        unfamiliar_share=_UNFAMILIAR if way.recipe is Recipe.AUTO else 0.0,
        progress=lambda _message, _share: None,
        cancelled=lambda: False,
    )


def _tables(min_precision: float) -> tuple[Table, Table, Table]:
    good = Table("recipe", "each", "accuracy", "log-loss", "ECE", "Brier", "seconds", "views", title="On the rest")
    sure = Table(
        *("recipe", "each", "estimates", "accuracy - true", "log-loss - true", "held accuracy", "held log-loss"),
        title="What is said of them: estimates minus truth, and 95 % intervals that hold it",
    )
    kept = Table(
        *("recipe", "each", "promised", "kept", "delivered", "own unknown", "strangers unknown"),
        title=f"A precision of {min_precision:g}, and distances that lose {_UNFAMILIAR:g} of own images",
    )
    return good, sure, kept


def _add_rows(
    tables: tuple[Table, Table, Table], way: _Way, each: int, measured: _Measured, options: argparse.Namespace
) -> None:
    good, sure, kept = tables
    name = way.name, str(each)
    good.add_row(
        *name,
        *map(_mean, zip(*measured.truth, strict=True)),
        f"{np.median(measured.seconds):.2f}",
        _shares(measured.chosen),
    )
    shares = [f"{np.mean(column):.3f}" for column in zip(*measured.held, strict=True)]
    errors = [_mean(column) for column in zip(*measured.errors, strict=True)]
    sure.add_row(*name, f"{len(measured.errors)} of {options.draws}", *errors, *shares)
    delivered = measured.delivered
    kept.add_row(
        *name,
        f"{len(delivered)} of {options.draws}",
        str(sum(precision >= options.min_precision for precision in delivered)) if delivered else "",
        _mean(delivered) if delivered else "",
        *map(_mean, zip(*measured.unknown, strict=True)),
    )


def _shares(chosen: Sequence[tuple[View, ...]]) -> str:
    """Return how often which views were chosen."""
    counts = Counter(" + ".join(view.label for view in views) for views in chosen)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _mean(values: Sequence[float]) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
