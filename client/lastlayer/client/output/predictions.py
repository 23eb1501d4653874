"""Predictions for people: lines on standard output, coloured on a terminal unless NO_COLOR is set.

Without Rich, which takes longer to import than a prediction takes.
"""

import collections
import os
from collections.abc import Sequence

import click

from lastlayer.client.results.predictions import Prediction
from lastlayer.rpc.observability.escape import escape


def print_prediction(name: str, prediction: Prediction) -> None:
    """Print the best class of an image in a line, and below it the further ones where several were asked for."""
    if prediction.multi_label:
        _print_labels(name, prediction)
        return
    label, with_score = escape(prediction.label), f" with score: {prediction.score:.4f}"
    start = f"Image: {escape(name)} predicted as: "
    if prediction.rejected:
        click.echo(f"{start}{_bold('unknown', 'yellow')} (the best guess is: {label}{with_score})")
    else:
        click.echo(f"{start}{_bold(label, 'green')}{with_score}")
    for score in prediction.scores[1:]:
        click.echo(f"  {escape(score.label)}: {score.score:.4f}")


def _print_labels(name: str, prediction: Prediction) -> None:
    """Print the labels of an image, and below them further ones where several were asked for."""
    scores = {entry.label: entry.score for entry in prediction.scores}
    start = f"Image: {escape(name)} labelled: "
    named = ", ".join(f"{_bold(escape(label), 'green')} ({scores[label]:.4f})" for label in prediction.labels)
    best = prediction.best
    if not named:
        named = f"{_bold('none', 'green')} (the most probable is: {escape(best.label)} with score: {best.score:.4f})"
    if prediction.rejected:
        guess = ", ".join(map(escape, prediction.labels)) or "none"
        click.echo(f"{start}{_bold('unknown', 'yellow')} (the best guess is: {guess})")
    else:
        click.echo(f"{start}{named}")
    others = [entry for entry in prediction.scores if entry.label not in prediction.labels]
    for entry in others if len(prediction.scores) > max(1, len(prediction.labels)) else ():
        click.echo(f"  {escape(entry.label)}: {entry.score:.4f}")


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return the paths with their last parts, where those tell the paths apart."""
    counts = collections.Counter(os.path.basename(name) for name in set(names))  # noqa: PTH119 - keeps the name as is
    bases = {name: os.path.basename(name) for name in names}  # noqa: PTH119
    return {name: base if base and counts[base] == 1 else name for name, base in bases.items()}


def _bold(text: str, colour: str) -> str:
    # `echo` takes it out where there is no terminal.
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour, bold=True)
