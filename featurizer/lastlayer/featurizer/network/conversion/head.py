"""A head as plain arrays, and what a file tells of the model that it is."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.errors import ConversionError
from lastlayer.rpc.vectors import View, join_views


@dataclass(frozen=True)
class Head:
    """A version's head: softmax(x @ weights + biases), x being the prepared vectors of its taps, side by side."""

    model: str
    version: int
    backbone: str
    backbone_digest: str
    taps: tuple[str, ...]
    views: tuple[View, ...]
    """The views of an image whose vectors' mean a tap's vector is, before all else."""
    square_root: bool
    """Whether the square root of each element is taken then; of what is below 0, it is 0."""
    unit_length: bool
    """Whether the vector of each tap is divided by its Euclidean length then."""
    labels: tuple[str, ...]
    """c of them, in the order of the columns of `weights`."""
    weights: npt.NDArray[np.float32]
    """float32 [d, c], d being the elements of the vectors of all taps."""
    biases: npt.NDArray[np.float32]
    """float32 [c]."""
    threshold: float = 0.0
    """The least probability of the best class with which the service does not reject a prediction."""

    def told(self, *, width: int, height: int) -> dict[str, str]:
        """Return what a file tells of itself, by key; lists are in JSON. Its images are width x height pixels."""
        return {
            "model": self.model,
            "version": str(self.version),
            "labels": json.dumps(self.labels, ensure_ascii=False),
            "threshold": repr(self.threshold),
            "backbone": self.backbone,
            "backbone_digest": self.backbone_digest,
            "taps": json.dumps(self.taps),
            "views": json.dumps([view.label for view in self.views]),
            "width": str(width),
            "height": str(height),
        }

    @property
    def view(self) -> View:
        """The view that a file's pixels show, CROP or WHOLE; what is mirrored is made inside."""
        return self.views[0].upright

    def check_views(self) -> None:
        """Raise ConversionError where it takes views that cannot be had from one, which is all that a file sees."""
        if any(view.upright is not self.view for view in self.views):
            raise ConversionError(
                f"Version {self.version} of the model `{self.model}` takes the mean over the views "
                f"{join_views(self.views)}, and a file sees an image once, either as crop or as whole; "
                "`client train DATA --views crop` trains one that can be written."
            )

    def label_lines(self) -> str:
        """Return the labels, one a line, as tools for mobile devices read them; a line break in one becomes a blank."""
        return "".join(f"{' '.join(label.splitlines())}\n" for label in self.labels)

    def probabilities(self, vectors: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float64]:
        """Return the probabilities of the classes, float64 [n, c], of the vectors of the taps, float32 [n, d] each."""
        values = np.hstack([self._prepare(tap) for tap in vectors])
        logits = (values @ self.weights).astype(np.float64) + self.biases
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        shares: npt.NDArray[np.float64] = exponentials / exponentials.sum(1, keepdims=True)
        return shares

    def _prepare(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        values = np.sqrt(np.maximum(vectors, 0), dtype=np.float32) if self.square_root else vectors
        if not self.unit_length:
            return values
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        return np.divide(values, np.where(lengths > 0, lengths, 1), dtype=np.float32)
