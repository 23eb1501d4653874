"""Results for people: lines and tables on standard output, coloured on a terminal only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lastlayer.rpc.observability.escape import escape

if TYPE_CHECKING:
    from lastlayer.client.results.datasets import MovedDataset
    from lastlayer.client.results.evaluations import Evaluation, ExampleEvaluation
    from lastlayer.client.results.examples import AddedExamples, PooledImages
    from lastlayer.client.results.images import Explanation
    from lastlayer.client.results.metrics import Metrics, MultiLabelMetrics
    from lastlayer.client.results.versions import ModelVersion


def console() -> Console:
    """Return the console of standard output; one that is no terminal never wraps a line."""
    plain = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    return plain if plain.is_terminal else Console(highlight=False, markup=False, emoji=False, width=100_000)


def print_explanation(out: Console, name: str, explanation: "Explanation") -> None:
    """Print which class of an image is explained, and what its score is made of."""
    line(out, f"Image: {escape(name)} as: {escape(explanation.label)} with score: {explanation.probability:.4f}")
    cells = [cell for row in explanation.contributions for cell in row]
    line(
        out,
        f"Logit: {explanation.logit:.4f}, of which {sum(cell for cell in cells if cell > 0):+.4f} for it,"
        f" {sum(cell for cell in cells if cell < 0):+.4f} against it and {explanation.bias:+.4f} of every image",
    )


def print_training(out: Console, version: "ModelVersion", added: "AddedExamples | None") -> None:
    """Print what was added, if anything was sent, the version, and what to expect of it."""
    if added is not None:
        print_added(out, version.dataset, added)
    line(
        out,
        f"Version {version.version} of model {escape(version.model)}: {version.example_count} examples"
        f" {_what(version)}, backbone {escape(version.backbone)}, {version.training_duration_s:.1f} s",
    )
    features = f"{tap(version.taps)}{seen(version.views)}"
    word = "taps" if len(version.taps) > 1 else "tap"
    line(out, f"Recipe {version.recipe}: {word} {features}, L1 = {version.l1:.3g}, L2 = {version.l2:.3g}")
    if version.multi_label:
        _print_label_estimate(out, version)
    elif version.cross_validation is None:
        line(out, "No cross-validated estimate: the dataset has too few examples for one.")
    else:
        estimate = version.cross_validation
        line(
            out,
            f"Cross-validated accuracy: {estimate.accuracy:.4f}{interval(estimate.accuracy_interval)}, LogLoss:"
            f" {estimate.log_loss:.4f}{interval(estimate.log_loss_interval)} (estimates for new images)",
        )
        if version.calibration is not None:
            line(
                out,
                f"Calibrated with temperature {version.calibration.temperature:.2f}: expected calibration error"
                f" {estimate.expected_calibration_error:.3f}, before"
                f" {version.calibration.expected_calibration_error_before:.3f}",
            )
        if version.rejection is not None and version.rejection.min_precision:
            line(
                out,
                f"Predictions below {version.rejection.threshold:.4f} are unknown, for a precision of"
                f" {version.rejection.min_precision:g}",
            )
        if version.rejection is not None and version.rejection.max_distance:
            line(
                out,
                "Images unlike the training images are unknown; of those themselves, while held out,"
                f" {version.rejection.unfamiliar_share:.0%}",
            )
        out.print(_class_table(estimate))
    if version.comparisons and version.cross_validation is not None:
        grid = table("recipe", "tap", "accuracy", "log-loss", text_columns=2)
        rows = [(version.recipe, version.taps, version.cross_validation)]
        rows += [(entry.recipe, entry.taps, entry.cross_validation) for entry in version.comparisons]
        for recipe, taps, metrics in rows:
            grid.add_row(recipe, Text(tap(taps)), f"{metrics.accuracy:.4f}", f"{metrics.log_loss:.4f}")
        line(out, "Cross-validated, recipe by recipe:")
        out.print(grid)
    for note in version.notes:
        line(out, f"Note: {escape(note)}")


def _what(version: "ModelVersion") -> str:
    """Return of what a version's examples are."""
    if version.multi_label:
        return f"with {len(version.classes)} label{'s' * (len(version.classes) != 1)}"
    return f"of {len(version.classes)} classes"


def _print_label_estimate(out: Console, version: "ModelVersion") -> None:
    """Print what to expect of a multi-label version."""
    estimate = version.multi_label_cross_validation
    if estimate is None:
        line(out, "No cross-validated estimate: the dataset has too few examples for one.")
        return
    line(out, f"Cross-validated, with estimates for new images: {_label_summary(estimate)}")
    if version.label_min_precision:
        line(out, f"A label is predicted from its threshold on, for a precision of {version.label_min_precision:g}")
    if version.label_max_distance:
        line(out, "Images unlike the training images are unknown")
    out.print(_label_table(estimate))


def _label_summary(metrics: "MultiLabelMetrics") -> str:
    """Return the numbers of all labels together."""
    numbers = (
        ("mean average precision", metrics.macro_average_precision),
        ("micro", metrics.micro_average_precision),
        ("mean F1", metrics.macro_f1),
        ("micro", metrics.micro_f1),
    )
    shown = ", ".join(f"{name} {'-' if value is None else f'{value:.4f}'}" for name, value in numbers)
    return f"{shown}, LogLoss: {metrics.log_loss:.4f}"


def _label_table(metrics: "MultiLabelMetrics") -> Table:
    grid = table("label", "images", "AP", "F1", "precision", "recall", "threshold", text_columns=1)
    for entry in metrics.labels:
        known = entry.average_precision is not None
        grid.add_row(
            Text(escape(entry.label)),
            str(entry.example_count),
            f"{entry.average_precision:.4f}" if known else "-",
            *(f"{value:.4f}" if known else "-" for value in (entry.f1, entry.precision, entry.recall)),
            f"{entry.threshold:.4f}",
        )
    return grid


def print_added(out: Console, dataset: str, added: "AddedExamples") -> None:
    """Print what became of the examples; those that failed are told on standard error."""
    parts = [f"{added.added} added", f"{added.present} already there"]
    if added.conflicts:
        parts.append(f"{len(added.conflicts)} with several labels, not trained on")
    if added.failed:
        parts.append(f"{len(added.failed)} failed")
    line(out, f"Dataset {escape(dataset)}: {', '.join(parts)}")
    for conflict in added.conflicts:
        labels = ", ".join(escape(label) for label in conflict.conflicting_labels)
        line(out, f"  {escape(conflict.image)} has the labels {labels}")


def print_pooled(out: Console, dataset: str, pooled: "PooledImages") -> None:
    """Print what became of images without a label; those that failed are told on standard error."""
    parts = [f"{pooled.added:,} added to its pool", f"{pooled.present:,} already there"]
    if pooled.labelled:
        parts.append(f"{pooled.labelled:,} that {'has' if pooled.labelled == 1 else 'have'} a label already")
    if pooled.failed:
        parts.append(f"{len(pooled.failed):,} failed")
    line(out, f"Dataset {escape(dataset)}: {', '.join(parts)}")


def print_moved(out: Console, moved: "MovedDataset", sent: int) -> None:
    """Print how many images of a dataset have features of the network that is served now; `sent` were sent."""
    count = moved.sent + moved.present
    images = "1 image has" if count == 1 else f"{count:,} images have"
    line(
        out,
        f"Dataset {escape(moved.dataset.name)}: {images} features of {escape(moved.dataset.backbone)} now,"
        f" {sent:,} sent, {count - sent:,} there before",
    )


def tap(taps: Sequence[str]) -> str:
    """Return the taps as one word."""
    return escape("+".join(taps))


def seen(views: Sequence[str]) -> str:
    """Return what of the images was seen, as the end of a phrase; nothing where it was the crop, as ever."""
    if tuple(views) == ("crop",):
        return ""
    return f" of the {'views' if len(views) > 1 else 'view'} {escape(' + '.join(views))}"


def print_evaluation(out: Console, evaluation: "Evaluation", told: "Sequence[ExampleEvaluation]") -> None:
    """Print some of the images with what they are predicted as, and the metrics of all."""
    labels = evaluation.multi_label_metrics
    if labels is not None:
        _print_label_evaluation(out, evaluation, labels, told)
        return
    for example in told:
        if example.predicted is not None:
            predicted = Text(escape(example.predicted.label), "bold red" if example.wrong else "bold green")
            start, score = (
                f"Image: {escape(example.image)} predicted as: ",
                f" with score: {example.predicted.score:.4f}",
            )
            line(out, Text.assemble(start, predicted, score, _true_label(example)))
    metrics = evaluation.metrics
    correct = round(metrics.accuracy * metrics.example_count)
    line(out, f"Version {evaluation.version} of model {escape(evaluation.model)}")
    line(
        out,
        f"Accuracy is: {metrics.accuracy:.4f} ({correct} of {metrics.example_count} right"
        f"{interval(metrics.accuracy_interval, ', 95 %: {} to {}')})",
    )
    line(out, f"LogLoss is: {metrics.log_loss:.4f}{interval(metrics.log_loss_interval)}")
    losses = (f"{escape(entry.label)} {entry.log_loss:.4f}" for entry in metrics.classes)
    line(out, f"PerClassLogLoss is: {', '.join(losses)}")
    reduction = metrics.log_loss_reduction
    one_class = "undefined, as all examples are of one class"
    line(out, f"LogLossReduction is: {one_class if reduction is None else f'{reduction:.4f}'}")
    out.print(_class_table(metrics))
    line(out, "Confusion matrix, a row for each true class:")
    matrix = table("", *(escape(entry.label) for entry in metrics.classes), text_columns=1)
    for entry, counts in zip(metrics.classes, metrics.confusion_matrix, strict=True):
        matrix.add_row(Text(escape(entry.label)), *map(str, counts))
    out.print(matrix)
    _print_caveats(out, evaluation)


def _print_label_evaluation(
    out: Console, evaluation: "Evaluation", metrics: "MultiLabelMetrics", told: "Sequence[ExampleEvaluation]"
) -> None:
    """Print some of the images with the labels that they are predicted to have, and the metrics of all."""
    for example in told:
        if example.error is None:
            predicted = Text(_names(example.predicted_labels), "bold red" if example.wrong else "bold green")
            true = Text(f", but has: {_names(example.labels)}", "bold") if example.wrong else Text()
            line(out, Text.assemble(f"Image: {escape(example.image)} labelled: ", predicted, true))
    line(out, f"Version {evaluation.version} of model {escape(evaluation.model)}")
    exact = round(metrics.exact_match * metrics.example_count)
    line(
        out,
        f"All labels right: {metrics.exact_match:.4f} ({exact} of {metrics.example_count}"
        f"{interval(metrics.exact_match_interval, ', 95 %: {} to {}')})",
    )
    line(out, f"Of {len(metrics.labels)} labels: {_label_summary(metrics)}")
    out.print(_label_table(metrics))
    _print_caveats(out, evaluation)


def _names(labels: Sequence[str]) -> str:
    return ", ".join(map(escape, labels)) or "none"


def _print_caveats(out: Console, evaluation: "Evaluation") -> None:
    """Print what the numbers of an evaluation leave out, and what flatters them."""
    for label, count in evaluation.unknown_labels.items():
        line(out, f"Not evaluated: {count} with the label {escape(label)}, which the model does not know")
    if evaluation.near_duplicate_count:
        line(
            out,
            f"Note: {evaluation.near_duplicate_count} of the images are, or nearly are, images that the model was"
            " trained on, which flatters these numbers; the most similar:",
        )
        for near in evaluation.near_duplicates[:5]:
            # A token for predictions alone is not told which.
            like = f"{escape(near.training_id)} ({escape(near.training_label)})" if near.training_label else "one"
            line(out, f"  {escape(near.image)} is like {like}, similarity {near.similarity:.4f}")


def _true_label(example: "ExampleEvaluation") -> Text:
    if not example.label_known:
        return Text(f", labelled {escape(example.label)}, which the model does not know")
    return Text(f", but is: {escape(example.label)}", "bold") if example.wrong else Text()


def interval(ends: tuple[float, float] | None, form: str = " (95 %: {} to {})") -> str:
    """Return an interval as it stands after its number; nothing where it is not known."""
    return form.format(*(f"{end:.4f}" for end in ends)) if ends else ""


def _class_table(metrics: "Metrics") -> Table:
    grid = table("class", "examples", "log-loss", "precision", "recall", text_columns=1)
    for entry in metrics.classes:
        grid.add_row(
            Text(escape(entry.label)),
            str(entry.example_count),
            # Nothing is known of a class without images, and 0 would look as if there were.
            *(
                f"{value:.4f}" if entry.example_count else "-"
                for value in (entry.log_loss, entry.precision, entry.recall)
            ),
        )
    return grid


def table(*headers: str, text_columns: int) -> Table:
    """Return an empty table; its first `text_columns` columns are set flush left, and those of numbers right."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, header in enumerate(headers):
        grid.add_column(Text(header), justify="left" if index < text_columns else "right", overflow="fold")
    return grid


def line(out: Console, text: str | Text) -> None:
    """Print text as one line, however narrow the terminal is."""
    out.print(Text(text) if isinstance(text, str) else text, soft_wrap=True)
