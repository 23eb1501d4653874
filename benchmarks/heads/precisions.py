"""What heads make of features of each precision, and of another one: `python -m benchmarks.heads.precisions DATA`.

All images of a folder, one sub-folder a class, are featurized in each precision that this machine has; in int8 where
`featurizer quantize` has made the network (`--images` of it makes it from photos of yours). Then heads are cross-
validated, several times with other folds: trained on the features of one precision, tried on those of each, on the
same images. What must be seen: each pair within 0.5 points of accuracy and 0.01 of log-loss of float32 in both.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.load.processes import machine
from lastlayer.classifier.fitting.folds import assign_folds
from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.trainer import train
from lastlayer.client.data.images import read_image
from lastlayer.client.data.labelled import read_data
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import LocalBackbone
from lastlayer.featurizer.network.tuning import compare, vectors_of
from lastlayer.featurizer.network.variants import FULL, Variant
from lastlayer.featurizer.pipeline.decoding import decode
from lastlayer.featurizer.weights.progress import progress_lines
from lastlayer.rpc.settings import load_settings

_FOLDS = 10
_MOST_POINTS, _MOST_LOSS = 0.5, 0.01
_ROUNDING = 1e-9

_Features = Mapping[str, npt.NDArray[np.float32]]
"""float32 [n, d] by tap."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with one sub-folder a class, or a TSV or CSV")
    parser.add_argument("--backbone", default="", help="as LASTLAYER_BACKBONE, which holds if not given")
    parser.add_argument("--repeats", type=int, default=3, help="how many times other folds are drawn")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    settings = load_settings(
        FeaturizerSettings,
        engine="auto",
        precision="auto",
        **({"backbone": options.backbone} if options.backbone else {}),
    )
    backbone = LocalBackbone(settings, progress_lines(print))
    labels, features = _featurize(backbone, options.data)
    made = backbone.quantized
    out.print(f"machine: {machine()}")
    out.print(f"{options.data.name}: {len(labels)} images of {len(set(labels))} classes, {backbone.spec.name}")
    out.print(f"int8 calibrated on {made.calibrated_on}" if made else "int8 left out: `featurizer quantize` makes it")
    out.print(_distances(features))
    kinds = {tap.name: tap.class_scores for tap in backbone.spec.taps}
    out.print(_heads(labels, features, kinds, options.repeats))


def _featurize(backbone: LocalBackbone, data: Path) -> tuple[list[str], dict[Variant, _Features]]:
    examples = read_data(data).examples
    size = backbone.spec.preprocessing
    pixels = np.stack(
        [
            decode(read_image(example.image), width=size.width, height=size.height, max_pixels=64_000_000)
            for example in examples
        ]
    )
    taps = [tap.name for tap in backbone.spec.taps]
    found: dict[Variant, _Features] = {}
    chosen = {FULL.precision: FULL}
    for variant in backbone.candidates:
        chosen.setdefault(variant.precision, variant)
    for variant in chosen.values():
        graph = backbone.graph_of(variant)
        found[variant] = vectors_of(graph, pixels, taps)
        graph.close()
    return [example.label for example in examples], found


def _distances(features: Mapping[Variant, _Features]) -> Table:
    shown = Table("", "tap", "mean cosine to float32", "least", title="Distances on these images")
    for variant, vectors in features.items():
        for tap, distance in compare(features[FULL], vectors).items():
            shown.add_row(str(variant), tap, f"{distance.mean_cosine:.5f}", f"{distance.least_cosine:.5f}")
    return shown


def _heads(
    labels: Sequence[str], features: Mapping[Variant, _Features], class_scores: Mapping[str, bool], repeats: int
) -> Table:
    classes = sorted(set(labels))
    y = np.array([classes.index(label) for label in labels])
    pairs = [(trained, tried) for trained in features for tried in features]
    right = {pair: np.zeros((repeats, len(y))) for pair in pairs}
    losses = {pair: np.zeros((repeats, len(y))) for pair in pairs}
    for repeat in range(repeats):
        folds = assign_folds(y, _FOLDS, repeat)
        for fold in range(_FOLDS):
            rows, rest = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            for trained, vectors in features.items():
                head = train(
                    [TapFeatures(tap, class_scores[tap], values[rows]) for tap, values in vectors.items()],
                    [labels[int(row)] for row in rows],
                    Recipe.AUTO,
                    progress=lambda _message, _share: None,
                    cancelled=lambda: False,
                ).head
                order = [head.classes.index(name) for name in classes]
                for tried, others in features.items():
                    probabilities, _ = head.score({tap: values[rest] for tap, values in others.items()})
                    own = probabilities[:, order]
                    right[trained, tried][repeat, rest] = own.argmax(1) == y[rest]
                    losses[trained, tried][repeat, rest] = -np.log(
                        np.maximum(own[np.arange(len(rest)), y[rest]], 1e-15)
                    )
    shown = Table("trained in", "tried in", "accuracy", "log-loss", "points", "log-loss", "within", title="Heads")
    for pair in pairs:
        accuracy, loss = right[pair].mean(), losses[pair].mean()
        points, points_error = _difference(100 * (right[pair] - right[FULL, FULL]))
        more, more_error = _difference(losses[pair] - losses[FULL, FULL])
        shown.add_row(
            *(variant.precision for variant in pair),
            f"{accuracy:.4f}",
            f"{loss:.4f}",
            f"{points:+.2f} ± {points_error:.2f}",
            f"{more:+.4f} ± {more_error:.4f}",
            "yes" if max(abs(points) / _MOST_POINTS, abs(more) / _MOST_LOSS) <= 1 + _ROUNDING else "no",
        )
    shown.caption = (
        f"means of {repeats} cross-validations of {_FOLDS} folds; the last columns: minus float32 in both, with the "
        f"standard error over the images, and whether that is at most {_MOST_POINTS:g} points and {_MOST_LOSS:g}"
    )
    return shown


def _difference(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of differences [repeats, n], and its standard error, for which repeats are no further images."""
    images = values.mean(0)
    return float(images.mean()), float(images.std(ddof=1) / np.sqrt(len(images)))


if __name__ == "__main__":
    main()
