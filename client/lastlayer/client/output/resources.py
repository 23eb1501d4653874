"""What the server has, for people: models, versions, datasets and examples as tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from lastlayer.client.output.results import line, table, tap
from lastlayer.rpc.observability.escape import escape

if TYPE_CHECKING:
    from lastlayer.client.results.curation import NextExamples, Review, SimilarExamples
    from lastlayer.client.results.datasets import Dataset, ExportedDataset
    from lastlayer.client.results.examples import StoredExample
    from lastlayer.client.results.models import Model
    from lastlayer.client.results.server import ServerStatus
    from lastlayer.client.results.versions import ModelVersion


def print_models(out: Console, models: "Sequence[Model]") -> None:
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


def print_versions(out: Console, model: "Model", versions: "Sequence[ModelVersion]") -> None:
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


def _log_loss(version: "ModelVersion") -> str:
    estimate = version.multi_label_cross_validation or version.cross_validation
    return f"{estimate.log_loss:.4f}" if estimate else "-"


def print_datasets(out: Console, datasets: "Sequence[Dataset]") -> None:
    """Print the datasets, one a row."""
    pools = any(dataset.pool_count for dataset in datasets)
    headers = ("dataset", "classes", "examples", "conflicts", *["pool"] * pools, "backbone", "updated")
    grid = table(*headers, text_columns=2)
    for dataset in datasets:
        grid.add_row(
            Text(escape(dataset.name)),
            Text(", ".join(f"{escape(label)} {count}" for label, count in dataset.classes.items())),
            str(dataset.example_count),
            str(dataset.conflict_count),
            *[str(dataset.pool_count)] * pools,
            Text(escape(dataset.backbone)),
            f"{dataset.update_time:%Y-%m-%d %H:%M}",
        )
    out.print(grid if datasets else Text("There are no datasets yet; `client train DATA` makes one."))


def print_status(out: Console, status: "ServerStatus") -> None:
    """Print how the server is."""
    line(out, f"Server: {status.server}")
    for service, state in status.services.items():
        line(out, f"{service}: {state}")
    unknown = (
        "not known until there is a dataset" if status.datasets_visible else "datasets are not visible to this token"
    )
    line(out, f"Backbone: {escape(status.backbone) or unknown}")


def print_dataset(
    out: Console, dataset: "Dataset", conflicts: "Sequence[StoredExample]", stale: "Sequence[StoredExample]"
) -> None:
    """Print the classes of a dataset, and the examples that are not trained on, and why."""
    line(out, f"Dataset {escape(dataset.name)}: {dataset.example_count} examples, backbone {escape(dataset.backbone)}")
    if dataset.multi_label:
        line(out, "Its images may have several labels, or none; each counts for all of its labels")
    if dataset.classes or not dataset.pool_count:
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
    if dataset.pool_count:
        images = "1 image" if dataset.pool_count == 1 else f"{dataset.pool_count:,} images"
        captured = f", {dataset.captured_count:,} of them captured" if dataset.captured_count else ""
        line(out, f"{images} without a label in its pool{captured}; `client next` says which to label first")
    if dataset.conflict_count:
        line(out, f"{dataset.conflict_count} with several labels, not trained on; `client relabel` puts them right:")
        for example in conflicts:
            line(out, f"  {_named(example)} has the labels {', '.join(map(escape, example.labels))}")
    if dataset.stale_count:
        line(out, f"{dataset.stale_count} to be added again, as another backbone featurized them:")
        for example in stale:
            line(out, f"  {_named(example)}: {', '.join(map(escape, example.labels))}")


def print_examples(out: Console, examples: "Sequence[StoredExample]") -> None:
    """Print examples of a dataset, one a row."""
    grid = table("example", "sha256", "labels", text_columns=3)
    for example in examples:
        labels = ", ".join(map(escape, example.labels))
        grid.add_row(Text(escape(example.id)), short_sha256(example), Text(labels))
    out.print(grid if examples else Text("There are no such examples."))


def print_pool(out: Console, images: "Sequence[StoredExample]") -> None:
    """Print the images of a pool, one a row."""
    grid = table("image", "sha256", "came", text_columns=3)
    for image in images:
        moment = f" {image.pool_time:%Y-%m-%d %H:%M}" if image.pool_time is not None else ""
        stale = ", to be added again" if image.stale else ""
        grid.add_row(Text(escape(image.id)), short_sha256(image), f"{image.source}{moment}{stale}")
    out.print(grid if images else Text("The pool is empty; `client pool add FOLDER` fills it."))


_WHY: Final = {
    "typical": "They stand for many others. Once two classes have labels, there are guesses.",
    "uncertain": "They stand for others whose class the labels so far do not tell.",
}


def print_next(out: Console, dataset: str, found: "NextExamples", *, asked: int) -> None:
    """Print which images to label next, one a row, and why these; and why fewer than were `asked` for."""
    pool = "1 image" if found.pool_count == 1 else f"{found.pool_count:,} images"
    if not found.examples:
        fresh = found.pool_count - found.stale_count
        why = "nothing waits for a label" if not fresh else f"what waits ({pool}) is like what has a label already"
        line(out, f"Dataset {escape(dataset)}: {why}")
        return
    line(out, f"Dataset {escape(dataset)}: {len(found.examples)} to label next, of {pool} without a label")
    typical = "They stand for many others that no labelled image is like."
    line(out, typical if found.strategy == "typical" and len(found.classes) > 1 else _WHY[found.strategy])
    if len(found.examples) < min(asked, found.pool_count - found.stale_count):
        line(out, "The others are like these, or like what has a label already.")
    if not any(entry.scores for entry in found.examples):
        grid = table("image", "sha256", text_columns=2)
        for entry in found.examples:
            grid.add_row(Text(escape(entry.example.id)), short_sha256(entry.example))
    else:
        grid = table("image", "sha256", "guess", "p(guess)", text_columns=3)
        for entry in found.examples:
            best = entry.scores[0] if entry.scores else None
            grid.add_row(
                Text(escape(entry.example.id)),
                short_sha256(entry.example),
                Text(escape(best.label) if best else "-"),
                f"{best.score:.4f}" if best else "-",
            )
    out.print(grid)


def print_review(out: Console, review: "Review") -> None:
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


def print_similar(out: Console, dataset: str, similar: "SimilarExamples") -> None:
    """Print the images that are nearest to an image, one a row."""
    grid = table("distance", "labels", "example", "sha256", text_columns=4)
    for found in similar.examples:
        labels = ", ".join(map(escape, found.example.labels)) or "(pool)"
        id_ = Text(escape(found.example.id))
        grid.add_row(f"{found.distance:.4f}", Text(labels), id_, short_sha256(found.example))
    if similar.examples:
        out.print(grid)
    line(out, f"{similar.compared_count:,} images of the dataset {escape(dataset)} were compared.")
    if similar.stale_count:
        line(
            out,
            f"{similar.stale_count:,} were not, as another backbone featurized them; `client move` brings them over.",
        )


def short_sha256(example: "StoredExample") -> str:
    """Return as much of the sha256 as tells the examples of a dataset apart, in hexadecimal."""
    return example.sha256.hex()[:12]


def _named(example: "StoredExample") -> str:
    # Its id may be empty, or not its alone.
    return f"{escape(example.id)} ({short_sha256(example)})"


def print_exported(out: Console, exported: "ExportedDataset") -> None:
    """Print what was written of a dataset."""
    stale = f", {exported.stale:,} of them without features" if exported.stale else ""
    files = "1 file" if exported.shards == 1 else f"{exported.shards:,} files"
    line(
        out, f"Dataset {escape(exported.dataset)}: {exported.rows:,} rows{stale} in {files}: {escape(exported.folder)}"
    )
