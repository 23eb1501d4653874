"""From a version to a file: its head from the service, its network from this machine, and a comparison with both."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from lastlayer.client import Client
from lastlayer.client.errors import ServerError
from lastlayer.client.export.npz import arrays
from lastlayer.client.results.versions import ModelVersion
from lastlayer.featurizer.backbones.spec import builtin_names
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion import formats
from lastlayer.featurizer.network.conversion.comparison import Comparison, check, check_agreement, compare
from lastlayer.featurizer.network.conversion.formats import Format
from lastlayer.featurizer.network.conversion.head import Head
from lastlayer.featurizer.network.loading import LocalBackbone
from lastlayer.featurizer.network.variants import FULL
from lastlayer.featurizer.weights.download import Progress
from lastlayer.local.export.images import Images, gather
from lastlayer.local.export.placing import check_free, placed
from lastlayer.rpc.settings import load_settings
from lastlayer.rpc.vectors import View

_BATCH: Final = 16


@dataclass(frozen=True)
class Wanted:
    """What is to be written."""

    model: str
    version: int
    """The model's default one where 0."""
    target: Path
    quantize: bool = False
    overwrite: bool = False
    backbone: str | None = None
    """The version's network, as settings name it; None for the environment's, or the built-in one of its name."""
    images: Path | None = None
    """A folder of photos to compare on."""


@dataclass(frozen=True)
class Exported:
    """A file that was written."""

    head: Head
    format: Format
    width: int
    height: int
    bytes: int
    images: str
    """What it was compared on."""
    precision: str
    """The numbers that the service computes in."""
    service: Comparison
    """How near its predictions are to the service's."""
    exact: Comparison | None
    """How near they are to those in float32, where the service computes in other numbers, or on a GPU."""
    decoding: Comparison | None
    """How near a SavedModel is that decodes images itself, on those that are JPEG."""


def export(client: Client, wanted: Wanted, progress: Progress, say: Callable[[str], None]) -> Exported:
    """Write a whole model; `say` is told in a sentence what is being done.

    Raises ConversionError where it cannot be written, or predicts otherwise than the service, ClientError,
    BackboneError, FetchError and SettingsError.
    """
    kind = formats.format_of(wanted.target)
    formats.check_installed(kind)
    if wanted.quantize and kind != "tflite":
        raise ConversionError("--quantize is for FILE.tflite alone; ONNX and SavedModel are written in float32.")
    is_folder = kind == "saved_model"
    check_free(wanted.target, folder=is_folder, overwrite=wanted.overwrite)
    version = client.get_version(wanted.model, wanted.version)
    if version.multi_label:
        raise ConversionError(
            f"Images may have several labels for the model `{version.model}`, and a whole model is written of classes "
            "alone; `client export MODEL --to FILE.onnx` writes its head, which takes feature vectors."
        )
    head = _head(client, version)
    head.check_views()
    backbone = _backbone(head, wanted.backbone, progress)
    from lastlayer.featurizer.network.conversion.graph import join

    size = backbone.spec.preprocessing
    images = gather(wanted.images, client, version, size, head.view)
    say(f"Asking the service about {len(images.pixels)} images: {images.source}.")
    expected = _predictions(client, version, images)
    served = client.get_served_backbone()
    is_exact = served.precision == "float32" and served.device.startswith("CPU")
    say(f"Converting {head.backbone} and the head.")
    model = join(backbone, head)
    with placed(wanted.target, folder=is_folder, overwrite=wanted.overwrite) as unfinished:
        formats.write(model, kind, unfinished, quantize=wanted.quantize)
        file = formats.load(kind, unfinished)
        found = _in_batches(file.probabilities, images.pixels)
        reference = expected if is_exact else _exactly(backbone, head, images.pixels)
        service, exact = compare(expected, found), None if is_exact else compare(reference, found)
        check(exact or service, quantized=wanted.quantize)
        check_agreement(service, "The file")
        decoding = _compare_decoding(file, images, reference)
        files = [path for path in unfinished.rglob("*") if path.is_file()] if is_folder else [unfinished]
        count = sum(path.stat().st_size for path in files)
    return Exported(
        head, kind, size.width, size.height, count, images.source, served.precision, service, exact, decoding
    )


def _compare_decoding(
    file: formats.RunnableFile, images: Images, reference: npt.NDArray[np.float64]
) -> Comparison | None:
    """Return how near a file that decodes JPEG itself is on those of the images that are JPEG; None without any."""
    jpegs = images.jpegs()
    if file.probabilities_of_files is None or not jpegs:
        return None
    found = [file.probabilities_of_files([content]) for content in jpegs.values()]
    comparison = compare(reference[list(jpegs)], np.concatenate(found))
    check_agreement(comparison, "Given JPEG files, the SavedModel")
    return comparison


def _head(client: Client, version: ModelVersion) -> Head:
    head = client.get_head(version.model, version.version)
    weights, biases = arrays(head)
    return Head(
        model=head.model,
        version=head.version,
        backbone=head.backbone,
        backbone_digest=head.backbone_digest,
        taps=head.taps,
        views=tuple(View.parse(view) for view in head.views),
        square_root=head.square_root,
        unit_length=head.unit_length,
        labels=head.classes,
        weights=weights,
        biases=biases,
        threshold=version.rejection.threshold if version.rejection else 0.0,
    )


def _backbone(head: Head, named: str | None, progress: Progress) -> LocalBackbone:
    """Return the head's network, whose weights are fetched if need be."""
    # With OpenVINO TensorFlow leaves a GPU alone, on which it would round to fewer digits than float32 has.
    settings = load_settings(FeaturizerSettings, backbone=named, engine="openvino")
    if settings.backbone == "auto":
        if head.backbone not in builtin_names():
            raise ConversionError(
                f"The network `{head.backbone}` of the head is not built in; name its TOML file with --backbone FILE."
            )
        settings = load_settings(FeaturizerSettings, backbone=head.backbone, engine="openvino")
    backbone = LocalBackbone(settings, progress)
    resolved = backbone.resolved
    if head.backbone_digest not in (resolved.digest, *resolved.spec.former_digests(resolved.hashed)):
        raise ConversionError(
            f"Version {head.version} of the model `{head.model}` takes features of {head.backbone} "
            f"({head.backbone_digest[:12]}…), but here is {resolved.spec.name} ({resolved.digest[:12]}…); name the "
            "network that it was trained with, by --backbone."
        )
    return backbone


def _predictions(client: Client, version: ModelVersion, images: Images) -> npt.NDArray[np.float64]:
    """Return what the service predicts, float64 [n, c]."""
    columns = {label: column for column, label in enumerate(version.classes)}
    found = np.zeros((len(images.contents), len(columns)))
    predictions = client.predict_stream(images.contents, model=version.model, version=version.version)
    for row, prediction in enumerate(predictions):
        if prediction.error is not None:
            raise ConversionError(f"The service cannot predict `{prediction.image}`: {prediction.error.message}")
        for score in prediction.scores:
            if score.label not in columns:
                raise ServerError("The server predicts a class that the version does not have.", code="UNKNOWN")
            found[row, columns[score.label]] = score.score
    return found


def _exactly(backbone: LocalBackbone, head: Head, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return what network and head make of images in float32, without any conversion: float64 [n, c]."""
    graph = backbone.graph_of(FULL)

    def run(batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        seen = [batch[:, :, ::-1] if view.is_flipped else batch for view in head.views]
        runs = [graph.run(np.ascontiguousarray(view), head.taps) for view in seen]
        return head.probabilities([np.stack([vectors[tap] for vectors in runs]).mean(0) for tap in head.taps])

    try:
        return _in_batches(run, pixels)
    finally:
        graph.close()


def _in_batches(
    run: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.floating]], pixels: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float64]:
    parts = [run(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)]
    return np.concatenate(parts).astype(np.float64)
