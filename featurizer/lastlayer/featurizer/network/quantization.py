"""The network in int8: made once from its frozen graph by NNCF, kept in one file beside the weights, run by OpenVINO.

Post-training quantisation: the range of each activation is found on some images, and the shift that rounding gives to
each layer's outputs is taken back out of its biases. NNCF is needed for that alone, and never to serve.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.tuning import Distance
from lastlayer.rpc.system.files import write_whole

_log = logging.getLogger(__name__)

_MAGIC: Final = b"lastlayer int8 1\n"
_CHECKSUM_BYTES: Final = 32

_CONVOLUTION: Final = "Convolution"
_DEPTHWISE: Final = "GroupConvolution"
"""What OpenVINO calls depthwise convolutions, such as Xception's."""


@dataclass(frozen=True)
class Quantized:
    """A network in int8, as OpenVINO's intermediate representation."""

    xml: bytes
    """Its topology."""
    weights: bytes
    distances: Mapping[str, Distance]
    """By tap, measured on images that did not calibrate."""
    calibrated_on: str
    """What it was calibrated on, such as `200 images`."""

    @property
    def checksum(self) -> str:
        """Tells it apart from others, 64 hexadecimal digits."""
        return hashlib.sha256(self.xml + self.weights).hexdigest()


def path_of(folder: Path, digest: str) -> Path:
    """Return where the network of a backbone is kept in int8, in the folder of weights."""
    return folder / "int8" / f"{digest[:32]}.openvino"


def read(path: Path) -> Quantized | None:
    """Return the network that was kept; None where there is none, or where it is damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("`%s` cannot be read: %s", path, error.strerror)
        return None
    checksum, content = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
    if hashlib.sha256(content).digest() != checksum or not content.startswith(_MAGIC):
        _log.warning("`%s` is damaged, and not used; `featurizer quantize` makes it again", path)
        return None
    line, _, parts = content.removeprefix(_MAGIC).partition(b"\n")
    header = json.loads(line)
    size = header["xml_bytes"]
    distances = {tap: Distance(*values) for tap, values in header["distances"].items()}
    return Quantized(parts[:size], parts[size:], distances, header["calibrated_on"])


def keep(path: Path, quantized: Quantized) -> None:
    """Write a network; raises OSError."""
    header = {
        "xml_bytes": len(quantized.xml),
        "distances": quantized.distances,
        "calibrated_on": quantized.calibrated_on,
    }
    content = _MAGIC + json.dumps(header).encode() + b"\n" + quantized.xml + quantized.weights
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as unfinished:
        unfinished.write_bytes(hashlib.sha256(content).digest() + content)


def quantize(model: Any, images: npt.NDArray[np.uint8], *, whole_ranges: bool) -> tuple[bytes, bytes]:
    """Return the topology and the weights of a network in int8, calibrated on images, uint8 [n, height, width, 3].

    Depthwise convolutions stay as they are. They are few of the sums, and most of what is lost: of photos that Xception
    did not calibrate on, the mean cosine to float32 at `block14` is 0.994 without them and 0.934 with.

    In other networks the convolutions that read the pixels stay, too. GoogLeNet's has 7 % of the sums and a third of
    what is lost. Heads that are trained and tried in int8 on photos of flowers are 0.35 points below float32 by that,
    in place of 0.6. Xception gains nothing by it.

    With `whole_ranges` activations keep the widest range that any image has, without that of an image on average, which
    cuts off what others have beyond it. With GoogLeNet, calibrated on generated images, the least cosine to float32 of
    32 photos of flowers is 0.996 with and 0.975 without at `avgpool0`; with Xception the steps become too coarse.

    `model` is OpenVINO's, in float32. Raises BackboneError where NNCF is not installed, or cannot do it.
    """
    os.environ["NNCF_CI"] = "1"  # else it tells its makers over the network that it is used
    try:
        import nncf
        import openvino
    except ImportError as error:
        raise BackboneError(
            "Making a network in int8 needs NNCF: `pip install 'lastlayer[quantize]'` brings it. Serving it does not."
        ) from error
    logging.getLogger("nncf").setLevel(logging.ERROR)
    dataset = nncf.Dataset([images[index : index + 1] for index in range(len(images))])
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its bars
            made = nncf.quantize(
                model,
                dataset,
                subset_size=len(images),
                ignored_scope=nncf.IgnoredScope(_readers_of_pixels(model), types=[_DEPTHWISE], validate=False),
                advanced_parameters=_whole_ranges(nncf) if whole_ranges else None,
            )
    except Exception as error:
        raise BackboneError(f"NNCF cannot make the network in int8: {str(error).splitlines()[0]}") from error
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "network.xml"
        openvino.save_model(made, xml, compress_to_fp16=False)
        return xml.read_bytes(), xml.with_suffix(".bin").read_bytes()


def _readers_of_pixels(model: Any) -> list[str]:
    """Return the names of the convolutions that no other one comes before; none where there are depthwise ones."""

    def comes_from(node: Any) -> str:
        """Return the kind of what a node computes of: a convolution, or the model's input."""
        before = node.input_value(0).get_node()
        kind: str = before.get_type_name()
        return kind if kind == _CONVOLUTION or not before.inputs() else comes_from(before)

    nodes = model.get_ops()
    if any(node.get_type_name() == _DEPTHWISE for node in nodes):
        return []
    convolutions = [node for node in nodes if node.get_type_name() == _CONVOLUTION]
    return [node.get_friendly_name() for node in convolutions if comes_from(node) == "Parameter"]


def _whole_ranges(nncf: Any) -> Any:
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return nncf.AdvancedQuantizationParameters(activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX)
