"""What the server has, for people: models, versions, datasets and examples as tables."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from lastlayer.client.output.results import line, table, tap
from lastlayer.client.results import Dataset, ExportedDataset, Model, ModelVersion, Review, ServerStatus, StoredExample
from lastlayer.rpc.observability.escape import escape


def print_models(out: Console, models: Sequence[Model]) -> None:
    """Print the models, one a row."""
    grid = table("model", "classes", "default", "versions", "updated", text_columns=2)
    for model in models:
        grid.add_row(
            Text(escape(model.name)),
            Text(", ".join(map(escape, model.classes))),
            str(model.default_version),
            str(model.version_count),
            f"{model.update_time:%Y-%m-%d %H:%M}",
        )
    out.print(grid if models else Text("There are no models yet; `client train DATA` makes one."))


def print_versions(out: Console, model: Model, versions: Sequence[ModelVersion]) -> None:
    """Print the versions of a model, one a row, the default one marked."""
    grid = table("version", "recipe", "tap", "dataset", "examples", "accuracy", "log-loss", "trained", text_columns=4)
    for version in versions:
        estimate = version.cross_validation
        grid.add_row(
            f"{version.version}{' (default)' * (version.version == model.default_version)}",
            version.recipe,
            Text(tap(version.taps)),
            Text(escape(version.dataset)),
            str(version.example_count),
            f"{estimate.accuracy:.4f}" if estimate else "-",
            _log_loss(version),
            f"{version.create_time:%Y-%m-%d %H:%M}",
        )
    line(out, f"Model {escape(model.name)}; accuracy and log-loss are cross-validated")
    out.print(grid)


def _log_loss(version: ModelVersion) -> str:
    estimate = version.multi_label_cross_validation or version.cross_validation
    return f"{estimate.log_loss:.4f}" if estimate else "-"


def print_datasets(out: Console, datasets: Sequence[Dataset]) -> None:
    """Print the datasets, one a row."""
    grid = table("dataset", "classes", "examples", "conflicts", "backbone", "updated", text_columns=2)
    for dataset in datasets:
        grid.add_row(
            Text(escape(dataset.name)),
            Text(", ".join(f"{escape(label)} {count}" for label, count in dataset.classes.items())),
            str(dataset.example_count),
            str(dataset.conflict_count),
            Text(escape(dataset.backbone)),
            f"{dataset.update_time:%Y-%m-%d %H:%M}",
        )
    out.print(grid if datasets else Text("There are no datasets yet; `client train DATA` makes one."))


def print_status(out: Console, status: ServerStatus) -> None:
    """Print how the server is."""
    line(out, f"Server: {status.server}")
    for service, state in status.services.items():
        line(out, f"{service}: {state}")
    unknown = (
        "not known until there is a dataset" if status.datasets_visible else "datasets are not visible to this token"
    )
    line(out, f"Backbone: {escape(status.backbone) or unknown}")


def print_dataset(
    out: Console, dataset: Dataset, conflicts: Sequence[StoredExample], stale: Sequence[StoredExample]
) -> None:
    """Print the classes of a dataset, and the examples that are not trained on, and why."""
    line(out, f"Dataset {escape(dataset.name)}: {dataset.example_count} examples, backbone {escape(dataset.backbone)}")
    if dataset.multi_label:
        line(out, "Its images may have several labels, or none; each counts for all of its labels")
    grid = table("label" if dataset.multi_label else "class", "examples", text_columns=1)
    for label, count in dataset.classes.items():
        grid.add_row(Text(escape(label)), str(count))
    out.print(grid)
    if dataset.without_label_count:
        line(out, f"{dataset.without_label_count} with none of these labels")
    if dataset.precisions:
        named = {
            escape(name) or "a precision that was not recorded": count for name, count in dataset.precisions.items()
        }
        line(out, f"Featurized in {', '.join(f'{name} ({count})' for name, count in named.items())}")
    if dataset.views != ("crop",):
        line(out, f"Views: {', '.join(map(escape, dataset.views))}")
    if dataset.conflict_count:
        line(out, f"{dataset.conflict_count} with several labels, not trained on; `client relabel` puts them right:")
        for example in conflicts:
            line(out, f"  {_named(example)} has the labels {', '.join(map(escape, example.labels))}")
    if dataset.stale_count:
        line(out, f"{dataset.stale_count} to be added again, as another backbone featurized them:")
        for example in stale:
            line(out, f"  {_named(example)}: {', '.join(map(escape, example.labels))}")


def print_examples(out: Console, examples: Sequence[StoredExample]) -> None:
    """Print examples of a dataset, one a row."""
    grid = table("example", "sha256", "labels", text_columns=3)
    for example in examples:
        labels = ", ".join(map(escape, example.labels))
        grid.add_row(Text(escape(example.id)), short_sha256(example), Text(labels))
    out.print(grid if examples else Text("There are no such examples."))


def print_review(out: Console, review: Review) -> None:
    """Print training examples that are worth a look, one a row."""
    grid = table("example", "sha256", "label", "suggested", "p(label)", "p(suggested)", text_columns=4)
    for entry in review.examples:
        grid.add_row(
            Text(escape(entry.example.id)),
            short_sha256(entry.example),
            Text(escape(entry.label) or "-"),  # of a multi-label version: one that it lacks, or has too much
            Text(escape(entry.suggested_label) or "-"),
            f"{entry.label_probability:.4f}",
            f"{entry.suggested_probability:.4f}",
        )
    out.print(grid)
    if review.total_count > len(review.examples):
        line(out, f"{len(review.examples)} of {review.total_count}; --limit shows more")


def short_sha256(example: StoredExample) -> str:
    """Return as much of the sha256 as tells the examples of a dataset apart, in hexadecimal."""
    return example.sha256.hex()[:12]


def _named(example: StoredExample) -> str:
    # Its id may be empty, or not its alone.
    return f"{escape(example.id)} ({short_sha256(example)})"


def print_exported(out: Console, exported: ExportedDataset) -> None:
    """Print what was written of a dataset."""
    stale = f", {exported.stale:,} of them without features" if exported.stale else ""
    files = "1 file" if exported.shards == 1 else f"{exported.shards:,} files"
    line(
        out, f"Dataset {escape(exported.dataset)}: {exported.rows:,} rows{stale} in {files}: {escape(exported.folder)}"
    )
