"""Prints how good heads are, and whether what is said of them holds: `python -m benchmarks.quality DATA`.

Of a folder of photos, one sub-folder a class, some images of each class are drawn at random and trained on; the rest is
what is true. Each row is of one way to train and one number of images a class, over several draws:

- accuracy, log-loss, expected calibration error and Brier score on the rest, with their standard errors over the draws;
- the estimates minus what is true, and the share of the 95 % intervals that hold it;
- with a precision asked for: in how many draws it was promised, in how many of these it was kept, what was delivered;
- images of other folders (`--strangers`) that are unknown, and images of the rest that are not, by distance alone.

The images are featurized in this process, once.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.processes import machine
from benchmarks.taps import featurize
from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.classifier.evaluation.metrics import evaluate
from lastlayer.classifier.training.recipes import Preference, Recipe, TapFeatures
from lastlayer.classifier.training.trainer import Trained, train
from lastlayer.client.data.labelled import read_data

_UNFAMILIAR = 0.05


@dataclass(frozen=True)
class _Way:
    """A way to train."""

    name: str
    recipe: Recipe
    preference: Preference = Preference.QUALITY


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
    unknown: list[tuple[float, float]] = field(default_factory=list)
    """The shares of strangers and of own images that are unfamiliar."""
    seconds: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with one sub-folder a class, or a TSV or CSV")
    parser.add_argument("--each", type=int, nargs="+", default=(2, 5, 20, 75), help="images of each class")
    parser.add_argument("--draws", type=int, default=20, help="how many random training sets")
    parser.add_argument("--min-precision", type=float, default=0.9, help="the precision that is asked for")
    parser.add_argument("--strangers", type=Path, help="a folder of images of other things")
    parser.add_argument("--backbone", default="", help="as LASTLAYER_BACKBONE, which holds if not given")
    options = parser.parse_args(arguments)
    out = Console(width=160)
    labels, taps = featurize(read_data(options.data, None).examples, options.backbone)
    strangers = None
    if options.strangers is not None:
        strangers = featurize(read_data(options.strangers, label="stranger").examples, options.backbone)[1]
    out.print(f"machine: {machine()}")
    out.print(f"{options.data.name}: {len(labels)} images of {len(set(labels))} classes, {options.draws} draws")
    tables = _tables(options.min_precision)
    for each in options.each:
        if each >= min(map(labels.count, set(labels))):
            continue
        for way in _WAYS:
            measured = _measure(way, each, labels, taps, strangers, options.draws, options.min_precision)
            _add_rows(tables, way, each, measured, options.draws)
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
        rest = np.setdiff1d(np.arange(len(names)), rows)
        started = time.perf_counter()
        trained = _train(way, taps, names, rows, 0.0)
        measured.seconds.append(time.perf_counter() - started)
        index = {label: number for number, label in enumerate(trained.head.classes)}
        y = np.array([index[label] for label in names[rest]])
        features = {tap.name: tap.values[rest] for tap in taps}
        probabilities, distances = trained.head.score(features)
        found = evaluate(probabilities, y, trained.head.classes)
        brier = float(np.square(probabilities - np.eye(len(index))[y]).sum(1).mean())
        measured.truth.append((found.micro_accuracy, found.log_loss, found.expected_calibration_error, brier))
        estimate = trained.cross_validation
        if estimate is not None and estimate.micro_accuracy_interval and estimate.log_loss_interval:
            accuracy, log_loss = found.micro_accuracy, found.log_loss
            measured.errors.append((estimate.micro_accuracy - accuracy, estimate.log_loss - log_loss))
            lower, upper = estimate.micro_accuracy_interval, estimate.log_loss_interval
            measured.held.append((lower[0] <= accuracy <= lower[1], upper[0] <= log_loss <= upper[1]))
        if strangers is not None and trained.head.familiarity is not None:
            cut = trained.head.familiarity.max_distance
            foreign = trained.head.score({tap.name: tap.values for tap in strangers})[1]
            measured.unknown.append((float((foreign > cut).mean()), float((distances > cut).mean())))
        try:
            threshold = _train(way, taps, names, rows, min_precision).head.threshold
        except DatasetNotTrainableError:
            continue
        accepted = probabilities.max(1) >= threshold
        if accepted.any():
            measured.delivered.append(float((probabilities.argmax(1) == y)[accepted].mean()))
    return measured


def _train(
    way: _Way, taps: Sequence[TapFeatures], names: "np.ndarray", rows: "np.ndarray", min_precision: float
) -> Trained:
    return train(
        [TapFeatures(tap.name, tap.are_logits, tap.values[rows]) for tap in taps],
        list(names[rows]),
        way.recipe,
        preference=way.preference,
        min_precision=min_precision,
        unfamiliar_share=_UNFAMILIAR if way.recipe is Recipe.AUTO else 0.0,
        progress=lambda _message, _share: None,
        cancelled=lambda: False,
    )


def _tables(min_precision: float) -> tuple[Table, Table, Table]:
    good = Table("recipe", "each", "accuracy", "log-loss", "ECE", "Brier", "seconds", title="On the rest")
    sure = Table(
        *("recipe", "each", "estimates", "accuracy - true", "log-loss - true", "held accuracy", "held log-loss"),
        title="What is said of them: estimates minus truth, and 95 % intervals that hold it",
    )
    kept = Table(
        *("recipe", "each", "promised", "kept", "delivered", "strangers unknown", "own unknown"),
        title=f"A precision of {min_precision:g}, and distances that lose {_UNFAMILIAR:g} of own images",
    )
    return good, sure, kept


def _add_rows(tables: tuple[Table, Table, Table], way: _Way, each: int, measured: _Measured, draws: int) -> None:
    good, sure, kept = tables
    name = way.name, str(each)
    good.add_row(*name, *map(_mean, zip(*measured.truth, strict=True)), f"{np.median(measured.seconds):.1f}")
    shares = [f"{np.mean(column):.2f}" for column in zip(*measured.held, strict=True)]
    errors = [_mean(column) for column in zip(*measured.errors, strict=True)]
    sure.add_row(*name, f"{len(measured.errors)} of {draws}", *errors, *shares)
    delivered = measured.delivered
    unknown = [_mean(column) for column in zip(*measured.unknown, strict=True)]
    asked = float(str(kept.title).split()[3].rstrip(","))
    kept.add_row(
        *name,
        f"{len(delivered)} of {draws}",
        str(sum(precision >= asked for precision in delivered)) if delivered else "",
        _mean(delivered) if delivered else "",
        *unknown,
    )


def _mean(values: Sequence[float]) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
