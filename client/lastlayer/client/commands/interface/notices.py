"""What commands say on standard error: how the input was read, what is wrong in it, and which images failed."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from lastlayer.client.commands.interface.options import MODEL_VARIABLE
from lastlayer.client.commands.interface.style import tell
from lastlayer.client.transport.defaults import DEFAULT_MODEL
from lastlayer.rpc.observability.escape import escape

if TYPE_CHECKING:
    from lastlayer.client.data.labelled import Data
    from lastlayer.client.errors import ImageError
    from lastlayer.client.results.drift import Drift
    from lastlayer.client.results.examples import ExampleOutcome, StoredExample
    from lastlayer.client.results.server import Backbone
    from lastlayer.client.results.versions import ModelVersion

BETTER: Final = 0.03
"""By how much more of ImageNet a network must tell to be called likely to be better. Over twelve data sets, what a
network's features are good for follows that number closely (Kornblith, Shlens and Le, Do Better ImageNet Models
Transfer Better?, 2019); docs/explanation/networks.md has ours."""

SHOWN_PROBLEMS: Final = 10
"""How many things that are wrong are printed before the others are only counted."""


def tell_notes(data: "Data", trimmed: int) -> None:
    """Print what a user should know of how the data were read."""
    for note in data.notes[:SHOWN_PROBLEMS]:
        tell("Note", escape(note))
    if more := len(data.notes[SHOWN_PROBLEMS:]):
        tell("Note", f"{more:,} more like {'this' if more == 1 else 'these'}.")
    if trimmed:
        labels, those = ("1 label", "it") if trimmed == 1 else (f"{trimmed} labels", "them")
        tell("Note", f"{labels} had white space around {those}, which was removed.")


def tell_next(model: str) -> None:
    """Print what to do with a model that was just trained."""
    tell_command("client", "predict", "IMAGE", model=model)


def tell_command(*command: str, **named: str) -> None:
    """Print which command to run next; options that are `named`, such as a model, are left out where they go unsaid."""
    words = list(command)
    for option, name in named.items():
        if name != (os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL):
            words += [f"--{option}", name]
    context = click.get_current_context()
    if context.get_parameter_source("server") is ParameterSource.COMMANDLINE:
        words += ["--server", context.params["server"]]
    tell("Next", escape(shlex.join(words)))


def tell_missing(dataset: str, missing: Sequence["StoredExample"], folders: Sequence[Path]) -> None:
    """Print which images of a dataset are in none of the folders, and what to do about it."""
    for example in missing[:SHOWN_PROBLEMS]:
        tell("Failed", f"{escape(example.id)} ({example.sha256.hex()[:12]}) cannot be found.")
    if more := len(missing[SHOWN_PROBLEMS:]):
        tell("Failed", f"{more:,} more; --json lists all of them.")
    if missing:
        images = "1 image is" if len(missing) == 1 else f"{len(missing):,} images are"
        where = ", ".join(escape(str(folder)) for folder in folders)
        labelled = any(example.labels for example in missing)
        until = "the dataset cannot be trained on" if labelled else "they are not suggested for a label"
        tell(
            "Note",
            f"{images} in none of the folders that were searched ({where}). Until then {until}: run `client move"
            f" {escape(shlex.quote(dataset))} FOLDER` with the folder where they are, or take them out by `client"
            " remove`.",
        )


def tell_better(served: "Backbone", version: "ModelVersion") -> None:
    """Print which network on the featurizer's disk is likely to be better than the one that a version came of."""
    known = served.imagenet_accuracy
    if known is None or version.backbone_digest != served.digest:
        return
    others = [other for other in served.others if (other.imagenet_accuracy or 0) >= known + BETTER]
    if not others:
        return
    best = max(others, key=lambda other: other.imagenet_accuracy or 0)
    speed = f", {best.relative_speed / served.relative_speed:.1g} times as fast" if served.relative_speed else ""
    words = shlex.join(["client", "move", version.dataset, "FOLDER"])
    tell(
        "Note",
        f"the featurizer also has {escape(best.name)} on disk, which is likely to be better: "
        f"{best.imagenet_accuracy:.1%} of ImageNet, where {escape(served.name)} has {known:.1%}{speed}. To try it, "
        f"serve it (LASTLAYER_BACKBONE={escape(best.name)}), then run `{escape(words)}` and train again.",
    )


def tell_drift(drift: "Drift") -> None:
    """Print what to do about drift, or for it to be told."""
    if drift.drifting:
        tell(
            "Next",
            "look at what comes (light, camera, compression, other things), then label some of it and train again: "
            "docs/how-to/improve/watch-drift.md",
        )
    elif drift.state == "no reference":
        tell(
            "Next",
            f"train the model again; version {drift.version} keeps nothing to compare. "
            "Where images may have several labels, no version does.",
        )
    elif drift.state == "too few examples":
        tell("Next", "train it on 20 images or more; with hundreds smaller changes are seen.")
    elif drift.state == "too few images":
        tell("Next", f"ask again when {drift.block_size - drift.image_count % drift.block_size} more have come.")


def tell_relabelled(kept: Sequence["ExampleOutcome"]) -> None:
    """Print which images keep the label that a person gave them, once for all."""
    if kept:
        named = ", ".join(f"{escape(outcome.image)} ({escape(outcome.label)})" for outcome in kept[:SHOWN_PROBLEMS])
        images = "1 image keeps the label" if len(kept) == 1 else f"{len(kept):,} images keep the label"
        more = ", …" if len(kept) > SHOWN_PROBLEMS else ""
        tell("Note", f"{images} that `client relabel` set, whatever DATA says: {named}{more}")


def tell_failures(failures: "Sequence[tuple[str, ImageError | None]]") -> None:
    """Print a line for each of the first images that failed, its name and why, and how many more there are."""
    for name, error in failures[:SHOWN_PROBLEMS]:
        if error is not None:
            tell("Failed", f"{escape(name)}: {escape(error.message)}")
    if more := len(failures[SHOWN_PROBLEMS:]):
        tell("Failed", f"{more:,} more; --json lists all of them.")


def tell_problems(problems: Sequence[str]) -> None:
    """Print the first of the things that are wrong with the data, a line each, and how many more there are."""
    for problem in problems[:SHOWN_PROBLEMS]:
        tell("Error", escape(problem))
    if more := len(problems[SHOWN_PROBLEMS:]):
        tell("Error", f"{more:,} more like {'this' if more == 1 else 'these'}.")
