"""Prints how soon a model gets good by which images are labelled: `python -m benchmarks.heads.label_next DATA...`.

Half of each set of images, drawn at random, is a pool without labels; the other half tells how good a model is. By each
strategy a batch of the pool is labelled after the other, and the recipe `auto` trained on all labels so far:

- `random`: any images, as people do who are not told which;
- `margin`: those whose two best classes are nearly as probable as each other (plain uncertainty; the first at random);
- `typical`: what `client next` suggests while there are no labels, all along;
- `next`: what `client next` suggests.

Each draw has its own halves, the same for all strategies: differences are paired. Intervals are of 95 %, by Student's t
over the draws. `--imbalance 25` thins the classes out, down to a 25th, in pool and rest alike; `--copies 3` puts each
image of a third of the pool in there three times, its features moved as much as a JPEG of quality 60 moves them.

The images are featurized in this process; `--cache` keeps their features.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.heads.taps import featurize
from benchmarks.load.processes import machine
from benchmarks.measured.labelling import STRATEGIES, LabelledSet, follow
from benchmarks.measured.labelling_curves import MEASURES, Curves, draw, table, verdicts
from lastlayer.client.data.labelled import read_data

_MOVED = 0.12
"""How much elements are moved, as a share of each: cosines at avgpool0 are then about those of JPEG copies, 0.99."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="folders with one sub-folder a class, or TSVs or CSVs")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the features, by the names of the data")
    parser.add_argument("--strategies", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    parser.add_argument("--draws", type=int, default=10, help="how many random halves")
    parser.add_argument("--batch", type=int, default=20, help="how many images are labelled at once")
    parser.add_argument("--labels", type=int, default=100, help="how many images are labelled in all")
    parser.add_argument("--imbalance", type=float, default=1.0, help="how many times as frequent the most frequent is")
    parser.add_argument("--copies", type=int, default=1, help="how often each image is in the pool")
    parser.add_argument("--most", type=int, default=0, help="of larger sets, so many images at random")
    parser.add_argument("--curves", type=Path, help="the SVG that accuracies are drawn to")
    parser.add_argument("--backbone", default="", help="as LASTLAYER_BACKBONE, which holds if not given")
    options = parser.parse_args(arguments)
    out = Console(width=140)
    out.print(f"machine: {machine()}")
    out.print(f"{options.draws} draws, {options.batch} images a batch, recipe auto")
    measured: list[Curves] = []
    for images in _read(options):
        if options.imbalance > 1:
            images = images.thinned(options.imbalance)
        if options.most and len(images.labels) > options.most:
            images = images.only(np.random.default_rng(2).permutation(len(images.labels))[: options.most])
        curves = Curves(images.name, list(range(options.batch, options.labels + 1, options.batch)))
        for strategy in options.strategies:
            curves.values[strategy] = np.array(
                [
                    follow(STRATEGIES[strategy], images, draw_number, curves.sizes, options.copies, _MOVED)
                    for draw_number in range(options.draws)
                ]
            )
        classes = sorted(set(images.labels))
        out.print(f"\n{images.name}: {len(images.labels)} images of {len(classes)} classes")
        for measure in MEASURES:
            out.print(table(curves, measure))
        for line in verdicts(curves):
            out.print(line)
        measured.append(curves)
    if options.curves:
        draw(measured, options.curves)


def _read(options: argparse.Namespace) -> Iterator[LabelledSet]:
    """Yield the sets with their features."""
    for data in options.data:
        kept = options.cache / f"{data.stem}.npz" if options.cache else None
        if kept is not None and kept.exists():
            with np.load(kept) as stored:
                found = {name: stored[name] for name in stored.files}
            yield LabelledSet(data.stem, found.pop("labels"), found)
            continue
        labels, taps = featurize(read_data(data, None).examples, options.backbone)
        images = LabelledSet(data.stem, np.array(labels), {tap.name: tap.values for tap in taps if not tap.are_logits})
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            arrays = {"labels": images.labels, **images.features}
            np.savez(kept, **arrays)  # type: ignore[arg-type]  # its stubs take names for its options
        yield images


if __name__ == "__main__":
    main()
