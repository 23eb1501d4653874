"""Results for people: lines and tables on standard output, coloured on a terminal only."""

import collections
import os
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.results import (
    AddedExamples,
    Dataset,
    Evaluation,
    ExampleEvaluation,
    Explanation,
    Metrics,
    Model,
    ModelVersion,
    Prediction,
    Review,
    ServerStatus,
    StoredExample,
)
from client.text import shown


def console() -> Console:
    """Return the console of standard output; one that is no terminal never wraps a line."""
    plain = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    return plain if plain.is_terminal else Console(highlight=False, markup=False, emoji=False, width=100_000)


def print_prediction(out: Console, name: str, prediction: Prediction) -> None:
    """Print the best class of an image in a line, and below it the further ones where several were asked for."""
    best = f"{shown(prediction.label)} with score: {prediction.score:.4f}"
    guess = f"unknown (the best guess is: {best})" if prediction.rejected else best
    _line(out, f"Image: {shown(name)} predicted as: {guess}")
    for score in prediction.scores[1:]:
        _line(out, f"  {shown(score.label)}: {score.score:.4f}")


def print_explanation(out: Console, name: str, explanation: Explanation) -> None:
    """Print which class of an image is explained, and what its score is made of."""
    _line(out, f"Image: {shown(name)} as: {shown(explanation.label)} with score: {explanation.probability:.4f}")
    cells = [cell for row in explanation.contributions for cell in row]
    _line(
        out,
        f"Logit: {explanation.logit:.4f}, of which {sum(cell for cell in cells if cell > 0):+.4f} for it,"
        f" {sum(cell for cell in cells if cell < 0):+.4f} against it and {explanation.bias:+.4f} of every image",
    )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return the paths with their last parts, where those tell the paths apart."""
    counts = collections.Counter(os.path.basename(name) for name in set(names))  # noqa: PTH119 - keeps the name as is
    bases = {name: os.path.basename(name) for name in names}  # noqa: PTH119
    return {name: base if base and counts[base] == 1 else name for name, base in bases.items()}


def print_training(out: Console, version: ModelVersion, added: AddedExamples | None) -> None:
    """Print what was added, if anything was sent, the version, and what to expect of it."""
    if added is not None:
        print_added(out, version.dataset, added)
    _line(
        out,
        f"Version {version.version} of model {shown(version.model)}: {version.example_count} examples of"
        f" {len(version.classes)} classes, backbone {shown(version.backbone)}, {version.training_duration_s:.1f} s",
    )
    _line(out, f"Recipe {version.recipe}: tap {tap(version.taps)}, L1 = {version.l1:g}, L2 = {version.l2:g}")
    if version.cross_validation is None:
        _line(out, "No cross-validated estimate: the dataset has too few examples for one.")
    else:
        estimate = version.cross_validation
        _line(
            out,
            f"Cross-validated accuracy: {estimate.accuracy:.4f}{_interval(estimate.accuracy_interval)}, LogLoss:"
            f" {estimate.log_loss:.4f}{_interval(estimate.log_loss_interval)} (estimates for new images)",
        )
        if version.calibration is not None:
            _line(
                out,
                f"Calibrated with temperature {version.calibration.temperature:.2f}: expected calibration error"
                f" {estimate.expected_calibration_error:.3f}, before"
                f" {version.calibration.expected_calibration_error_before:.3f}",
            )
        if version.rejection is not None:
            _line(
                out,
                f"Predictions below {version.rejection.threshold:.4f} are unknown, for a precision of"
                f" {version.rejection.min_precision:g}",
            )
        out.print(_class_table(estimate))
    if version.comparisons and version.cross_validation is not None:
        table = _table("recipe", "tap", "accuracy", "log-loss", text_columns=2)
        rows = [(version.recipe, version.taps, version.cross_validation)]
        rows += [(entry.recipe, entry.taps, entry.cross_validation) for entry in version.comparisons]
        for recipe, taps, metrics in rows:
            table.add_row(recipe, Text(tap(taps)), f"{metrics.accuracy:.4f}", f"{metrics.log_loss:.4f}")
        _line(out, "Cross-validated, recipe by recipe:")
        out.print(table)
    for note in version.notes:
        _line(out, f"Note: {shown(note)}")


def print_added(out: Console, dataset: str, added: AddedExamples) -> None:
    """Print what became of the examples; those that failed are told on standard error."""
    parts = [f"{added.added} added", f"{added.present} already there"]
    if added.conflicts:
        parts.append(f"{len(added.conflicts)} with several labels, not trained on")
    if added.failed:
        parts.append(f"{len(added.failed)} failed")
    _line(out, f"Dataset {shown(dataset)}: {', '.join(parts)}")
    for conflict in added.conflicts:
        labels = ", ".join(shown(label) for label in conflict.conflicting_labels)
        _line(out, f"  {shown(conflict.image)} has the labels {labels}")


def tap(taps: Sequence[str]) -> str:
    """Return the taps as one word."""
    return shown("+".join(taps))


def print_evaluation(out: Console, evaluation: Evaluation, wrong: Sequence[ExampleEvaluation]) -> None:
    """Print the images that were predicted wrongly, and the metrics."""
    for example in wrong:
        if example.predicted is not None:
            _line(
                out,
                f"Image: {shown(example.image)} predicted as: {shown(example.predicted.label)} with score:"
                f" {example.predicted.score:.4f}, but is: {shown(example.label)}",
            )
    metrics = evaluation.metrics
    right = round(metrics.accuracy * metrics.example_count)
    _line(out, f"Version {evaluation.version} of model {shown(evaluation.model)}")
    _line(
        out,
        f"Accuracy is: {metrics.accuracy:.4f} ({right} of {metrics.example_count} right"
        f"{_interval(metrics.accuracy_interval, ', 95 %: {} to {}')})",
    )
    _line(out, f"LogLoss is: {metrics.log_loss:.4f}{_interval(metrics.log_loss_interval)}")
    losses = (f"{shown(entry.label)} {entry.log_loss:.4f}" for entry in metrics.classes)
    _line(out, f"PerClassLogLoss is: {', '.join(losses)}")
    reduction = metrics.log_loss_reduction
    one_class = "undefined, as all examples are of one class"
    _line(out, f"LogLossReduction is: {one_class if reduction is None else f'{reduction:.4f}'}")
    out.print(_class_table(metrics))
    _line(out, "Confusion matrix, a row for each true class:")
    matrix = _table("", *(shown(entry.label) for entry in metrics.classes), text_columns=1)
    for entry, counts in zip(metrics.classes, metrics.confusion_matrix, strict=True):
        matrix.add_row(Text(shown(entry.label)), *map(str, counts))
    out.print(matrix)
    for label, count in evaluation.unknown_labels.items():
        _line(out, f"Not evaluated: {count} with the label {shown(label)}, which the model does not know")

    if evaluation.near_duplicate_count:
        _line(
            out,
            f"Note: {evaluation.near_duplicate_count} of the images are, or nearly are, images that the model was"
            " trained on, which flatters these numbers; the most similar:",
        )
        for near in evaluation.near_duplicates[:5]:
            _line(
                out,
                f"  {shown(near.image)} is like {shown(near.training_id)} ({shown(near.training_label)}),"
                f" similarity {near.similarity:.4f}",
            )


def print_dataset(
    out: Console, dataset: Dataset, conflicts: Sequence[StoredExample], stale: Sequence[StoredExample]
) -> None:
    """Print the classes of a dataset, and the examples that are not trained on, and why."""
    _line(out, f"Dataset {shown(dataset.name)}: {dataset.example_count} examples, backbone {shown(dataset.backbone)}")
    table = _table("class", "examples", text_columns=1)
    for label, count in dataset.classes.items():
        table.add_row(Text(shown(label)), str(count))
    out.print(table)
    if dataset.conflict_count:
        _line(out, f"{dataset.conflict_count} with several labels, not trained on; `client relabel` puts them right:")
        for example in conflicts:
            _line(out, f"  {shown(example.id)} has the labels {', '.join(map(shown, example.labels))}")
    if dataset.stale_count:
        _line(out, f"{dataset.stale_count} to be added again, as another backbone featurized them:")
        for example in stale:
            _line(out, f"  {shown(example.id)} ({', '.join(map(shown, example.labels))})")


def print_examples(out: Console, examples: Sequence[StoredExample]) -> None:
    """Print examples of a dataset, one a row."""
    table = _table("example", "sha256", "labels", text_columns=3)
    for example in examples:
        labels = ", ".join(map(shown, example.labels))
        table.add_row(Text(shown(example.id)), example.sha256.hex()[:12], Text(labels))
    out.print(table if examples else Text("There are no such examples."))


def print_review(out: Console, review: Review) -> None:
    """Print training examples that are worth a look, one a row."""
    table = _table("example", "label", "suggested", "p(label)", "p(suggested)", text_columns=3)
    for entry in review.examples:
        table.add_row(
            Text(shown(entry.example.id)),
            Text(shown(entry.label)),
            Text(shown(entry.suggested_label)),
            f"{entry.label_probability:.4f}",
            f"{entry.suggested_probability:.4f}",
        )
    out.print(table)
    if review.total_count > len(review.examples):
        _line(out, f"{len(review.examples)} of {review.total_count}; --limit shows more")


def print_comparison(out: Console, one: ModelVersion, other: ModelVersion) -> None:
    """Print two versions side by side."""
    table = _table("", *(f"{shown(version.model)}:{version.version}" for version in (one, other)), text_columns=3)
    for name, read in _COMPARED:
        table.add_row(name, *(Text(read(version)) for version in (one, other)))
    estimates = [version.cross_validation for version in (one, other)]
    recalls = [{entry.label: entry.recall for entry in known.classes} if known else {} for known in estimates]
    for label in dict.fromkeys([*one.classes, *other.classes]):
        found = (recall.get(label) for recall in recalls)
        table.add_row(Text(f"recall of {shown(label)}"), *("-" if value is None else f"{value:.4f}" for value in found))
    out.print(table)
    first, second = estimates
    if first is None or second is None:
        return
    if first.log_loss_interval and second.log_loss_interval:
        apart = first.log_loss_interval[0] > second.log_loss_interval[1]
        apart = apart or second.log_loss_interval[0] > first.log_loss_interval[1]
        if not apart:
            _line(out, "The intervals of the log-loss overlap: the difference may be chance.")
    if one.example_count != other.example_count:
        _line(out, "The versions were trained, and are estimated, on different numbers of examples.")


def _estimated(version: ModelVersion, read: Callable[[Metrics], str]) -> str:
    return read(version.cross_validation) if version.cross_validation else "-"


_COMPARED: Final[Sequence[tuple[str, Callable[[ModelVersion], str]]]] = (
    ("recipe", lambda version: version.recipe),
    ("taps", lambda version: tap(version.taps)),
    ("L2", lambda version: f"{version.l2:g}"),
    ("class weight", lambda version: version.class_weight),
    ("dataset", lambda version: shown(version.dataset)),
    ("examples", lambda version: str(version.example_count)),
    (
        "accuracy",
        lambda version: _estimated(version, lambda known: f"{known.accuracy:.4f}{_interval(known.accuracy_interval)}"),
    ),
    (
        "log-loss",
        lambda version: _estimated(version, lambda known: f"{known.log_loss:.4f}{_interval(known.log_loss_interval)}"),
    ),
    (
        "calibration error",
        lambda version: _estimated(version, lambda known: f"{known.expected_calibration_error:.4f}"),
    ),
    ("trained", lambda version: f"{version.create_time:%Y-%m-%d %H:%M}"),
)
"""What is compared of two versions; the estimates are cross-validated."""


def print_models(out: Console, models: Sequence[Model]) -> None:
    """Print the models, one a row."""
    table = _table("model", "classes", "default", "versions", "updated", text_columns=2)
    for model in models:
        table.add_row(
            Text(shown(model.name)),
            Text(", ".join(map(shown, model.classes))),
            str(model.default_version),
            str(model.version_count),
            f"{model.update_time:%Y-%m-%d %H:%M}",
        )
    out.print(table if models else Text("There are no models yet; `client train DATA` makes one."))


def print_versions(out: Console, model: Model, versions: Sequence[ModelVersion]) -> None:
    """Print the versions of a model, one a row, the default one marked."""
    table = _table("version", "recipe", "tap", "dataset", "examples", "accuracy", "log-loss", "trained", text_columns=4)
    for version in versions:
        estimate = version.cross_validation
        table.add_row(
            f"{version.version}{' (default)' * (version.version == model.default_version)}",
            version.recipe,
            Text(tap(version.taps)),
            Text(shown(version.dataset)),
            str(version.example_count),
            f"{estimate.accuracy:.4f}" if estimate else "-",
            f"{estimate.log_loss:.4f}" if estimate else "-",
            f"{version.create_time:%Y-%m-%d %H:%M}",
        )
    _line(out, f"Model {shown(model.name)}; accuracy and log-loss are cross-validated")
    out.print(table)


def print_datasets(out: Console, datasets: Sequence[Dataset]) -> None:
    """Print the datasets, one a row."""
    table = _table("dataset", "classes", "examples", "conflicts", "backbone", "updated", text_columns=2)
    for dataset in datasets:
        table.add_row(
            Text(shown(dataset.name)),
            Text(", ".join(f"{shown(label)} {count}" for label, count in dataset.classes.items())),
            str(dataset.example_count),
            str(dataset.conflict_count),
            Text(shown(dataset.backbone)),
            f"{dataset.update_time:%Y-%m-%d %H:%M}",
        )
    out.print(table if datasets else Text("There are no datasets yet; `client train DATA` makes one."))


def print_status(out: Console, status: ServerStatus) -> None:
    """Print how the server is."""
    _line(out, f"Server: {status.server}")
    for service, state in status.services.items():
        _line(out, f"{service}: {state}")
    _line(out, f"Backbone: {shown(status.backbone) or 'not known until there is a dataset'}")


def _interval(ends: tuple[float, float] | None, form: str = " (95 %: {} to {})") -> str:
    """Return an interval as it stands after its number; nothing where it is not known."""
    return form.format(*(f"{end:.4f}" for end in ends)) if ends else ""


def _class_table(metrics: Metrics) -> Table:
    table = _table("class", "examples", "log-loss", "precision", "recall", text_columns=1)
    for entry in metrics.classes:
        table.add_row(
            Text(shown(entry.label)),
            str(entry.example_count),
            f"{entry.log_loss:.4f}",
            f"{entry.precision:.4f}",
            f"{entry.recall:.4f}",
        )
    return table


def _table(*headers: str, text_columns: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(Text(header), justify="left" if index < text_columns else "right", overflow="fold")
    return table


def _line(out: Console, text: str) -> None:
    out.print(Text(text), soft_wrap=True)
