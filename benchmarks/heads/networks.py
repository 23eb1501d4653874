"""Prints what each network makes of some datasets, and what it costs: `python -m benchmarks.heads.networks DATA...`.

Of each folder of photos, one sub-folder a class, `--each` images of each class are drawn at random and trained on by
the recipe `auto`, and the rest is predicted: accuracy and log-loss with their standard errors over the draws, in which
all networks see the same images. Each network has a process of its own. Its images a second are those of the network
alone, on ready batches; the networks take turns, and the ratio is the median over the rounds, so that a busy machine
slows all of them down alike. What processors spend on an image hardly depends on what else they do. Memory is the most
that the process has had by then, TensorFlow included.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from os import getpid
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.load.processes import machine, usage
from lastlayer.classifier.evaluation.metrics import evaluate
from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.trainer import train
from lastlayer.client.data.images import LabelledImage
from lastlayer.client.data.labelled import read_data
from lastlayer.featurizer.backbones.spec import builtin, builtin_names
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.weights.store import WeightStore
from lastlayer.rpc.settings import load_settings

_BATCH = 16

_loaded: list[Any] = []
"""In a network's own process: its graph."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*", help="folders with one sub-folder a class")
    parser.add_argument("--backbones", nargs="+", help="built-in names, the one to compare with first; all on disk")
    parser.add_argument("--each", type=int, default=20, help="images of each class to train on")
    parser.add_argument("--most", type=int, default=100, help="images of each class to read")
    parser.add_argument("--draws", type=int, default=20, help="how many random training sets")
    parser.add_argument("--rounds", type=int, default=15, help="batches that each network is timed on")
    options = parser.parse_args(arguments)
    out = Console(width=140)
    out.print(f"machine: {machine()}")
    names = options.backbones or _on_disk()
    spawn = get_context("spawn")
    workers = {name: ProcessPoolExecutor(1, spawn) for name in names}
    try:
        for name, worker in workers.items():
            worker.submit(_load, name).result()
        out.print(_cost_table(workers, options.rounds))
        for folder in options.data:
            examples = _first(read_data(folder).examples, options.most)
            out.print(_quality_table(folder.name, examples, workers, options.each, options.draws))
    finally:
        for worker in workers.values():
            worker.shutdown()


def _on_disk() -> list[str]:
    settings = load_settings(FeaturizerSettings)
    store = WeightStore(settings.weights_folder, settings.mirror)
    return [name for name in builtin_names() if store.find(builtin(name))]


def _first(examples: Sequence[LabelledImage], most: int) -> list[LabelledImage]:
    """Return the first images of each class."""
    seen: dict[str, int] = {}
    found = []
    for example in examples:
        seen[example.label] = seen.get(example.label, 0) + 1
        if seen[example.label] <= most:
            found.append(example)
    return found


def _load(backbone: str) -> None:
    from lastlayer.featurizer.network.loading import load

    loaded = load(load_settings(FeaturizerSettings, backbone=backbone), lambda *_: None)
    _loaded.append(loaded)
    _time_batch(0)  # what comes first takes longer


def _time_batch(seed: int) -> tuple[float, float]:
    """Return how many seconds a batch of random pixels takes, by the clock and by the processors together."""
    graph, size = _loaded[0].graph, _loaded[0].spec.preprocessing
    pixels = np.random.default_rng(seed).integers(0, 256, (_BATCH, size.height, size.width, 3), np.uint8)
    names = [tap.name for tap in graph.taps]
    started, used = time.perf_counter(), time.process_time()
    graph.run(pixels, names)
    return time.perf_counter() - started, time.process_time() - used


def _peak_mb() -> float:
    return usage(getpid()).peak_mb


def _featurize(examples: Sequence[LabelledImage]) -> list[TapFeatures]:
    from lastlayer.client.data.images import read_image
    from lastlayer.featurizer.pipeline.decoding import decode

    graph, size = _loaded[0].graph, _loaded[0].spec.preprocessing
    taps = [tap for tap in graph.taps if tap.kind != "class_scores"]
    vectors: dict[str, list[np.ndarray]] = {tap.name: [] for tap in taps}
    for start in range(0, len(examples), _BATCH):
        contents = [read_image(example.image) for example in examples[start : start + _BATCH]]
        pixels = [decode(one, width=size.width, height=size.height, max_pixels=64_000_000) for one in contents]
        for name, values in graph.run(np.stack(pixels), list(vectors)).items():
            vectors[name].append(values)
    return [TapFeatures(tap.name, False, np.concatenate(vectors[tap.name])) for tap in taps]


def _cost_table(workers: dict[str, ProcessPoolExecutor], rounds: int) -> Table:
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
    for number in range(rounds):
        for name, worker in workers.items():
            seconds[name].append(worker.submit(_time_batch, number).result())
    first = np.array(next(iter(seconds.values())))
    columns = "images a second", "of the first's", "processor ms an image", "of the first's", "memory, MB"
    table = Table("network", "ImageNet", *columns, title="Cost")
    for name, worker in workers.items():
        taken = np.array(seconds[name])
        clock, used = np.median(taken, 0) / _BATCH
        slower, dearer = np.median(taken / first, 0)
        accuracy = builtin(name).imagenet_accuracy
        table.add_row(
            name,
            f"{accuracy:.1%}" if accuracy else "",
            f"{1 / clock:.1f}",
            f"{1 / slower:.2f}",
            f"{1000 * used:.0f}",
            f"{dearer:.1f}",
            f"{worker.submit(_peak_mb).result():.0f}",
        )
    return table


def _quality_table(
    name: str, examples: list[LabelledImage], workers: dict[str, ProcessPoolExecutor], each: int, draws: int
) -> Table:
    labels = np.array([example.label for example in examples])
    title = f"{name}: {len(labels)} images of {len(set(labels))} classes, {each} of each trained on, {draws} draws"
    table = Table("network", "accuracy", "log-loss", "elements an image", title=title)
    for backbone, worker in workers.items():
        taps = worker.submit(_featurize, examples).result()
        found = [_score(taps, labels, each, draw) for draw in range(draws)]
        columns = [_mean(column) for column in zip(*found, strict=True)]
        table.add_row(backbone, *columns, str(sum(tap.values.shape[1] for tap in taps)))
    return table


def _score(taps: Sequence[TapFeatures], labels: np.ndarray, each: int, draw: int) -> tuple[float, float]:
    """Return accuracy and log-loss on what is not drawn."""
    random = np.random.default_rng(draw)
    drawn = [random.permutation(np.flatnonzero(labels == label))[:each] for label in dict.fromkeys(labels)]
    rows = np.concatenate(drawn)
    rest = np.setdiff1d(np.arange(len(labels)), rows)
    trained = train(
        [TapFeatures(tap.name, tap.are_logits, tap.values[rows]) for tap in taps],
        list(labels[rows]),
        Recipe.AUTO,
        progress=lambda _message, _share: None,
        cancelled=lambda: False,
    )
    classes = trained.head.classes
    y = np.array([classes.index(label) for label in labels[rest]])
    metrics = evaluate(trained.head.probabilities({tap.name: tap.values[rest] for tap in taps}), y, classes)
    return metrics.micro_accuracy, metrics.log_loss


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) / np.sqrt(len(values)):.3f}"


if __name__ == "__main__":
    main()
