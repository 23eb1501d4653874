"""What an image is predicted as."""

from dataclasses import dataclass

from lastlayer.client.errors import ImageError


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A class with its probability, from 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes that an image may be of, or why it has none."""

    image: str
    """The image's name: its path as it was given, or `images[i]` for bytes."""
    scores: tuple[LabelScore, ...]
    """The classes, the best first: all of them, or the `top_k` that were asked for. Empty where the image failed."""
    model: str
    version: int
    """The version that predicted; where the image could not be read, the one asked for, 0 for the default."""
    error: ImageError | None = None
    """Why the image has no prediction."""
    rejected: bool = False
    """Whether what the image shows is unknown: its best class is too improbable, or it is unfamiliar."""
    distance: float = 0.0
    """How far it is from the training images; 0 where the version does not reject by that."""
    unfamiliar: bool = False
    """Whether it is too far from them, so that it is rejected however probable its best class is."""
    multi_label: bool = False
    """Whether the version is multi-label: the scores are then independent, and `labels` are those predicted."""
    labels: tuple[str, ...] = ()
    """The labels that a multi-label version predicts, the most probable first; empty where the image has none."""

    @property
    def label(self) -> str:
        """The best class; raises the `ImageError` where the image failed."""
        return self.best.label

    @property
    def score(self) -> float:
        """The probability of the best class; raises the `ImageError` where the image failed."""
        return self.best.score

    @property
    def best(self) -> LabelScore:
        """The best class with its probability; raises the `ImageError` where the image failed."""
        if self.error is not None:
            raise self.error
        return self.scores[0]

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the classes with their scores as bars, or why there are none."""
        import html  # only notebooks come by here

        name = html.escape(self.image)
        if self.error is not None:
            return f"<b>{name}</b>: {html.escape(self.error.message)}"
        rows = (
            f"<tr><td>{html.escape(entry.label)}</td><td>{entry.score:.4f}</td>"
            f'<td><progress value="{entry.score:.4f}" max="1"></progress></td></tr>'
            for entry in self.scores
        )
        unknown = ": unknown" if self.rejected else ""
        return f"<b>{name}</b>{unknown}<table>{''.join(rows)}</table>"


class Predictions(list[Prediction]):
    """A list of predictions, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        """Return a table of the images with their best classes."""
        rows = "".join(map(_html_row, self))
        return f"<table><tr><th>image</th><th>predicted as</th><th>score</th></tr>{rows}</table>"


def _html_row(prediction: Prediction) -> str:
    import html

    name = html.escape(prediction.image)
    if prediction.error is not None:
        return f'<tr><td>{name}</td><td colspan="2">{html.escape(prediction.error.message)}</td></tr>'
    if prediction.multi_label:
        found = [entry for entry in prediction.scores if entry.label in prediction.labels]
        named = ", ".join(html.escape(label) for label in prediction.labels) or "none"
        guess = f"unknown (best guess: {named})" if prediction.rejected else named
        return f"<tr><td>{name}</td><td>{guess}</td><td>{', '.join(f'{entry.score:.4f}' for entry in found)}</td></tr>"
    label, score = html.escape(prediction.label), f"{prediction.score:.4f}"
    guess = f"unknown (best guess: {label})" if prediction.rejected else label
    return f"<tr><td>{name}</td><td>{guess}</td><td>{score}</td></tr>"
