"""The tiny network computed by NumPy: a stand-in for a graph of TensorFlow, whose import alone takes seconds."""

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.backbones.hashed_file import HashedFile
from lastlayer.featurizer.backbones.spec import BackboneSpec
from lastlayer.featurizer.backbones.tap import Tap
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import Loaded
from lastlayer.featurizer.network.tuning import SAME
from lastlayer.featurizer.network.variants import FULL
from lastlayer.featurizer.weights.download import Progress
from lastlayer.testing.tiny_backbone import MEAN, SCALE, TAPS, tiny_declaration, tiny_weights

Array = npt.NDArray[np.float32]

_SIDE: Final = 3
_STRIDE: Final = 2


def load_tiny_network(_settings: FeaturizerSettings, _progress: Progress) -> Loaded:
    """Return the network as the featurizer serves it.

    Its digest is another one than that of the graph that `write_tiny_backbone` writes, as that is of the bytes of its
    file. The features are the same, up to the rounding of float32.
    """
    spec = BackboneSpec.model_validate(tomllib.loads(tiny_declaration()))
    kernels = tiny_weights()
    sha256 = hashlib.sha256(b"".join(kernels[name].tobytes() for name in sorted(kernels)))
    hashed = HashedFile(Path("tiny"), {"sha256": f"sha256:{sha256.hexdigest()}"}, sha256)
    return Loaded(
        spec,
        spec.digest(hashed),
        former_digests={},
        graph=TinyNetwork(kernels),
        device="CPU, by NumPy",
        variant=FULL,
        distances=dict.fromkeys(TAPS, SAME),
    )


class TinyNetwork:
    """Runs the network, as `lastlayer.featurizer.network.graph.Graph` runs a graph."""

    def __init__(self, kernels: dict[str, Array]) -> None:
        """`kernels` are what `tiny_weights` returns."""
        self._kernels = kernels
        self.taps = tuple(
            Tap(name, "class_scores" if name == "scores" else "spatial_mean", dimension)
            for name, dimension in TAPS.items()
        )
        """The taps, from the shallowest to the deepest."""

    def run(
        self,
        images: npt.NDArray[np.uint8],
        taps: Sequence[str],
        *,
        alone: bool = True,  # noqa: ARG002 (it takes one processor in any case)
    ) -> dict[str, Array]:
        """Return the feature vectors of images, uint8 [n, 32, 32, 3], at some taps: float32 [n, d]."""
        maps = self.maps(images, ["conv", "pool"])
        vectors = {tap: found.mean((1, 2)) for tap, found in maps.items()}
        vectors["scores"] = vectors["pool"] @ self._kernels["scores"]
        return {tap: vectors[tap] for tap in taps}

    def maps(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> dict[str, Array]:
        """Return the feature maps of images, uint8 [n, 32, 32, 3], at some taps: float32 [n, h, w, d]."""
        pixels = (images.astype(np.float32) - np.array(MEAN, np.float32)) * np.float32(SCALE)
        conv = _convolve(pixels, self._kernels["first"])
        found = {"conv": conv, "pool": _convolve(conv, self._kernels["second"])}
        return {tap: found[tap] for tap in taps}

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


def _convolve(images: Array, kernel: Array) -> Array:
    """Return the convolution of images [n, h, w, c] with a kernel [3, 3, c, d], of stride 2, negative numbers as 0."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (_SIDE, _SIDE), axis=(1, 2))[:, ::_STRIDE, ::_STRIDE]
    # Each window is [c, 3, 3]; the kernel is [3, 3, c, d].
    convolved: Array = np.tensordot(windows, kernel, axes=((3, 4, 5), (2, 0, 1)))
    return np.maximum(convolved, 0)
