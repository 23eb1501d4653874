"""Prints how soon drift is told, and how often without any: `python -m benchmarks.heads.drift DATA`.

Of a folder of images, one sub-folder a class, 500 are set aside to be changed: made brighter and darker, compressed and
blurred. Of the rest some are trained on, at random, and the others are what comes undisturbed: 100,000 images, drawn
with replacement. What comes otherwise is drawn from the changed images, and from the folders `--foreign`, after 400 to
449 undisturbed ones. Each row is over several draws of the training images.

The images are featurized in this process, once. The level of drift is looked at after each 1,000 undisturbed images.
"""

import argparse
import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.heads.taps import featurize
from benchmarks.load.processes import machine
from lastlayer.classifier.domain.drift.reference import DriftReference
from lastlayer.classifier.domain.head import Head
from lastlayer.classifier.domain.types import ServedVersion
from lastlayer.classifier.evaluation.drift import summarize
from lastlayer.classifier.prediction.drift.monitor import DriftMonitor, VersionWatch
from lastlayer.classifier.training.recipes import Recipe, TapFeatures
from lastlayer.classifier.training.trainer import train
from lastlayer.client.data.images import LabelledImage, read_image
from lastlayer.client.data.labelled import read_data

_CHANGED = 500
_UNDISTURBED = 100_000
_MOST = 5000
"""After so many images without an alarm it is given up."""

_Features = Mapping[str, "np.ndarray"]
_Change = Callable[[Image.Image], Image.Image]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with one sub-folder a class, or a TSV or CSV")
    parser.add_argument("--foreign", type=Path, nargs="*", default=(), help="folders of images of other things")
    parser.add_argument("--trained", type=int, nargs="+", default=(50, 200, 1900), help="how many are trained on")
    parser.add_argument("--draws", type=int, default=5, help="how many random training sets of each number")
    parser.add_argument("--streams", type=int, default=20, help="how many streams that change, of each training set")
    parser.add_argument("--backbone", default="", help="as LASTLAYER_BACKBONE, which holds if not given")
    options = parser.parse_args(arguments)
    logging.disable()  # each alarm is told
    out = Console(width=140)
    examples = read_data(options.data, None).examples
    aside = np.random.default_rng(0).permutation(len(examples))[:_CHANGED]
    labels, taps = featurize(examples, options.backbone)
    if len(labels) < len(examples):
        parser.error("some images cannot be decoded: take them out of the folder")
    own = _by_tap(taps)
    others: dict[str, _Features] = {"none": {name: values[aside] for name, values in own.items()}}
    for name, change in _changes().items():
        images = [LabelledImage(_apply(change, read_image(examples[row].image)), "changed") for row in aside]
        others[name] = _by_tap(featurize(images, options.backbone)[1])
    for folder in options.foreign:
        foreign = read_data(folder, label="foreign").examples
        some = [foreign[row] for row in np.random.default_rng(0).permutation(len(foreign))[:_CHANGED]]
        others[folder.name] = _by_tap(featurize(some, options.backbone)[1])
    rest = np.setdiff1d(np.arange(len(labels)), aside)
    out.print(f"machine: {machine()}")
    out.print(f"{options.data.name}: {len(labels)} images, {options.draws} draws of each number of training images")
    soon = Table(
        "change", *(f"{count} trained on" for count in options.trained), title="Images until the alarm: median (worst)"
    )
    false = Table("trained on", "images", "false alarms", "highest level", title="Undisturbed")
    cells: dict[str, list[str]] = {name: [] for name in others}
    for count in options.trained:
        found: dict[str, list[int]] = {name: [] for name in others}
        alarms, levels = 0, []
        for draw in range(options.draws):
            random = np.random.default_rng(draw)
            shuffled = random.permutation(rest)
            fitted, held = shuffled[:count], shuffled[count:]
            head, reference = _train(own, labels, fitted)
            coming = _measure(head, reference, {name: values[held] for name, values in own.items()})
            watch = _begin(reference)
            for _ in range(_UNDISTURBED // 1000):
                watch.add(coming[random.integers(0, len(coming), 1000)])
                levels.append(max(level.level for level in watch.report().levels))
            alarms += watch.report().alarm_count
            for name, features in others.items():
                changed = _measure(head, reference, features)
                found[name] += [_count_until_alarm(reference, coming, changed, random) for _ in range(options.streams)]
        false.add_row(
            str(count),
            f"{options.draws * _UNDISTURBED:,}",
            str(alarms),
            f"{max(levels):.2f}",
        )
        for name, numbers in found.items():
            cells[name].append(f"{_number(np.median(numbers))} ({_number(max(numbers))})")
    for name, row in cells.items():
        soon.add_row(name, *row)
    out.print(false)
    out.print(soon)
    alone, together = (measure_cost(head, reference, own, size) for size in (1, 16))
    out.print(
        f"Processor time to watch an image: {alone:.0f} µs where it comes alone, {together:.0f} µs in requests of 16"
    )


def _changes() -> dict[str, _Change]:
    def brighter(by: float) -> _Change:
        return lambda image: ImageEnhance.Brightness(image).enhance(by)

    def compressed(quality: int) -> _Change:
        def compress(image: Image.Image) -> Image.Image:
            written = io.BytesIO()
            image.save(written, "JPEG", quality=quality)
            return Image.open(written)

        return compress

    def blurred(radius: float) -> _Change:
        return lambda image: image.filter(ImageFilter.GaussianBlur(radius))

    return {
        **{f"brightness x {by:g}": brighter(by) for by in (0.5, 0.7, 1.2, 1.4, 1.8)},
        **{f"JPEG quality {quality}": compressed(quality) for quality in (50, 30, 20, 10)},
        **{f"blur, radius {radius}": blurred(radius) for radius in (1, 2)},
    }


def _apply(change: _Change, content: bytes) -> bytes:
    written = io.BytesIO()
    change(Image.open(io.BytesIO(content)).convert("RGB")).save(written, "PNG")
    return written.getvalue()


def _by_tap(taps: Sequence[TapFeatures]) -> _Features:
    return {tap.name: tap.values for tap in taps if not tap.are_logits}


def _train(own: _Features, labels: Sequence[str], rows: "np.ndarray") -> tuple[Head, DriftReference]:
    known = {name: values[rows] for name, values in own.items()}
    trained = train(
        [TapFeatures(name, are_logits=False, values=values.copy()) for name, values in known.items()],
        [labels[row] for row in rows],
        Recipe.AUTO,
        unfamiliar_share=0.05,
        progress=lambda _message, _share: None,
        cancelled=lambda: False,
    )
    held_out = trained.out_of_fold.probabilities if trained.out_of_fold else None
    reference = summarize(trained.head, {tap: known[tap] for tap in trained.head.taps}, held_out, 0.05)
    return trained.head, DriftReference.from_bytes(reference.to_bytes())


def _measure(head: Head, reference: DriftReference, by_tap: _Features) -> "np.ndarray":
    vectors = head.stack(by_tap)
    probabilities, distances, _ = head.score_stacked(vectors)
    return reference.measure(head, by_tap, vectors, probabilities, distances)


def _begin(reference: DriftReference) -> VersionWatch:
    return DriftMonitor().begin(ServedVersion(1, "measured", 1, "", ""), reference)


def _count_until_alarm(
    reference: DriftReference, coming: "np.ndarray", changed: "np.ndarray", random: np.random.Generator
) -> int:
    watch = _begin(reference)
    watch.add(coming[random.integers(0, len(coming), random.integers(400, 450))])
    before = watch.report().alarm_count
    for count in range(1, _MOST + 1):
        watch.add(changed[random.integers(len(changed))][None])
        if watch.report().alarm_count > before:
            return count
    return _MOST


def measure_cost(head: Head, reference: DriftReference, own: _Features, size: int) -> float:
    """Return how many microseconds of a processor it takes to watch an image, of requests of some size."""
    images = [{name: values[row : row + size] for name, values in own.items()} for row in range(0, 1600, size)]
    watch = _begin(reference)
    with threadpool_limits(1):
        scored = [(image, vectors := head.stack(image), *head.score_stacked(vectors)[:2]) for image in images]
        started = time.process_time()
        for image, vectors, probabilities, distances in scored:
            watch.add(reference.measure(head, image, vectors, probabilities, distances))
        return (time.process_time() - started) / (len(images) * size) * 1e6


def _number(count: float) -> str:
    return f"> {_MOST}" if count >= _MOST else f"{count:.0f}"


if __name__ == "__main__":
    main()
