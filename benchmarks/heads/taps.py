"""Prints what each tap of a backbone, and each recipe, makes of a dataset: `python -m benchmarks.heads.taps DATA`.

The images are featurized in this process. Estimates are cross-validated. Those of the first table
were also chosen by, which makes them a little too good; those of the recipes are nested.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.search.scans import Trial
from lastlayer.classifier.training.trained import Trained
from lastlayer.classifier.training.trainer import train
from lastlayer.client.data.images import LabelledImage, read_image
from lastlayer.client.data.labelled import read_data
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import load
from lastlayer.featurizer.pipeline.decoding import decode_whole
from lastlayer.featurizer.weights.progress import progress_lines
from lastlayer.rpc.errors import ImageError
from lastlayer.rpc.settings import load_settings
from lastlayer.rpc.vectors import CROP_ALONE, View

_BATCH = 16


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with one sub-folder a class, or a TSV or CSV")
    parser.add_argument("--images", type=Path, help="the folder that the paths of a TSV or CSV are relative to")
    parser.add_argument("--backbone", default="", help="as LASTLAYER_BACKBONE, which holds if not given")
    options = parser.parse_args(arguments)
    out = Console(width=120)
    labels, taps = featurize(read_data(options.data, options.images).examples, options.backbone)
    out.print(f"{len(labels)} images of {len(set(labels))} classes, taps {', '.join(tap.name for tap in taps)}")
    results = []
    for recipe in Recipe:
        started = time.perf_counter()
        trained = train(taps, labels, recipe, progress=lambda _message, _share: None, cancelled=lambda: False)
        results.append((trained, time.perf_counter() - started))
    out.print(trials_table(results[0][0].trials))
    out.print(recipes_table(results))


def featurize(
    examples: Sequence[LabelledImage], backbone: str, views: Sequence[View] = CROP_ALONE
) -> tuple[list[str], list[TapFeatures]]:
    """Return the labels of the images that can be decoded, and the features of their views at all taps."""
    settings = load_settings(FeaturizerSettings, **({"backbone": backbone} if backbone else {}))
    loaded = load(settings, progress_lines(print))
    graph, size = loaded.graph, loaded.spec.preprocessing
    names = [tap.name for tap in graph.taps]
    labels: list[str] = []
    pixels: dict[View, list[np.ndarray]] = {view: [] for view in views}
    vectors: dict[tuple[View, str], list[np.ndarray]] = {(view, name): [] for view in views for name in names}
    for number, example in enumerate(track(examples, "Featurizing")):
        try:
            content = read_image(example.image)
            decoded = decode_whole(content, width=size.width, height=size.height, max_pixels=64_000_000, views=views)
            labels.append(example.label)
            for view, seen in decoded.seen.items():
                pixels[view].append(seen.pixels)
        except ImageError as error:
            print(f"{example.name}: {error}")
        for view, waiting in pixels.items():
            if waiting and (len(waiting) == _BATCH or number == len(examples) - 1):
                for name, values in graph.run(np.stack(waiting), names).items():
                    vectors[view, name].append(values)
                pixels[view] = []
    return labels, [
        TapFeatures(tap.name, tap.kind == "class_scores", np.concatenate(vectors[view, tap.name]), view)
        for view in views
        for tap in graph.taps
    ]


def trials_table(trials: Sequence[Trial]) -> Table:
    """Return what the search of the recipe `auto` tried."""
    table = Table("taps", "L2", "log-loss", "± std. error", "examples", "", title="What `auto` tried")
    for trial in trials:
        table.add_row(
            "+".join(trial.taps),
            f"{trial.l2:.3g}",
            f"{trial.log_loss:.4f}",
            f"{trial.log_loss_standard_error:.4f}",
            str(trial.example_count),
            "chosen" if trial.chosen else "",
        )
    return table


def recipes_table(results: Sequence[tuple[Trained, float]]) -> Table:
    """Return what to expect of the recipes, and how long they took (comparing with the other one included)."""
    table = Table("recipe", "taps", "accuracy", "95 %", "log-loss", "95 %", "ECE", "seconds", title="Recipes")
    for trained, seconds in results:
        known = trained.cross_validation
        row = [trained.recipe.value, "+".join(trained.head.taps)]
        if known is not None:
            row += [f"{known.micro_accuracy:.4f}", _ends(known.micro_accuracy_interval)]
            row += [f"{known.log_loss:.4f}", _ends(known.log_loss_interval)]
            row += [f"{known.expected_calibration_error:.4f}"]
        table.add_row(*row, *[""] * (7 - len(row)), f"{seconds:.1f}")
    return table


def _ends(interval: tuple[float, float] | None) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""


if __name__ == "__main__":
    main()
