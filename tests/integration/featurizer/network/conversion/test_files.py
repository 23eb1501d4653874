"""Whole models of a real graph, written in each format and run again, against the network and NumPy."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.conversion import formats
from lastlayer.featurizer.network.conversion.formats import Format
from lastlayer.featurizer.network.conversion.head import Head
from lastlayer.featurizer.network.generated_images import generate_images
from lastlayer.featurizer.network.loading import LocalBackbone
from lastlayer.featurizer.network.variants import FULL
from lastlayer.featurizer.pipeline.decoding import decode, decode_whole
from lastlayer.rpc.settings import load_settings
from lastlayer.rpc.vectors import View
from tests.lazy import LazyModule
from tests.unit.featurizer.network.conversion.samples import LABELS, head

if TYPE_CHECKING:
    from lastlayer.featurizer.network.conversion import graph as conversion
    from lastlayer.featurizer.network.conversion import saved_model
    from lastlayer.featurizer.network.graph import Graph
else:
    conversion = LazyModule("lastlayer.featurizer.network.conversion.graph")
    saved_model = LazyModule("lastlayer.featurizer.network.conversion.saved_model")

pytestmark = pytest.mark.long

FORMATS: tuple[Format, ...] = ("tflite", "onnx", "saved_model")
SIDE = 32
HEADS = {
    "two taps of unit length": head(),
    "square roots": head(("pool", "conv"), square_root=True, threshold=0.6),
    "one tap as it is": head(("scores",), unit_length=False),
    "the crop and its mirror image": head(square_root=True, views=(View.CROP, View.CROP_FLIPPED)),
    "the mirror image alone": head(views=(View.WHOLE_FLIPPED,)),
}


@pytest.fixture(scope="module")
def backbone(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalBackbone:
    home = tmp_path_factory.mktemp("home")
    return LocalBackbone(load_settings(FeaturizerSettings, backbone=str(tiny_backbone), home=home), lambda *_: None)


@pytest.fixture(scope="module")
def network(backbone: LocalBackbone) -> "Graph":
    return backbone.graph_of(FULL)


@pytest.fixture(scope="module")
def images() -> npt.NDArray[np.uint8]:
    black = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    return np.concatenate([generate_images(9, width=SIDE, height=SIDE, seed=3), black])


def expected(network: "Graph", known: Head, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    seen = [images[:, :, ::-1] if view.is_flipped else images for view in known.views]
    runs = [network.run(np.ascontiguousarray(view), known.taps) for view in seen]
    return known.probabilities([np.mean([run[tap] for run in runs], axis=0) for tap in known.taps])


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_predicts_as_network_and_head_do(
    backbone: LocalBackbone,
    network: "Graph",
    images: npt.NDArray[np.uint8],
    kind: Format,
    name: str,
    tmp_path: Path,
) -> None:
    known = HEADS[name]
    formats.write(conversion.join(backbone, known), kind, tmp_path / "file", quantize=False)
    file = formats.load(kind, tmp_path / "file")
    right = expected(network, known, images)
    assert len(set(right.argmax(1))) > 1
    assert np.ptp(right, axis=0).max() > 0.2  # images differ by far more than what is tolerated
    found = file.probabilities(images)
    assert found.dtype == np.float32
    assert found.shape == (10, len(LABELS))
    np.testing.assert_allclose(found, right, atol=1e-5)
    np.testing.assert_allclose(file.probabilities(images[:1]), right[:1], atol=1e-5)  # any number of images


def test_quantized_it_is_smaller_and_near(
    backbone: LocalBackbone, network: "Graph", images: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    known = head()
    for quantize in (False, True):
        formats.write(conversion.join(backbone, known), "tflite", tmp_path / f"{quantize}.tflite", quantize=quantize)
    found = formats.load("tflite", tmp_path / "True.tflite").probabilities(images)
    assert 0 < np.abs(found - expected(network, known, images)).max() < 0.2


def test_labels_and_the_rest_are_inside(backbone: LocalBackbone, tmp_path: Path) -> None:
    import onnxruntime
    import tensorflow as tf

    known = head(threshold=0.6)
    model = conversion.join(backbone, known)
    for kind in FORMATS:
        formats.write(model, kind, tmp_path / kind, quantize=False)
    told = model.told()
    with zipfile.ZipFile(tmp_path / "tflite") as archive:
        assert archive.read("labels.txt").decode() == "größe 🦆\ncat\ntwo lines\n"
        assert json.loads(archive.read("lastlayer.json")) == told
    session = onnxruntime.InferenceSession(tmp_path / "onnx")
    assert session.get_modelmeta().custom_metadata_map == told
    [images] = session.get_inputs()
    assert (images.name, images.type, images.shape[1:]) == ("images", "tensor(uint8)", [SIDE, SIDE, 3])
    labels, probabilities = session.run(["label", "probabilities"], {"images": np.zeros((2, SIDE, SIDE, 3), np.uint8)})
    assert [LABELS[row.argmax()] for row in probabilities] == list(labels)
    extra = tmp_path / "saved_model/assets.extra"
    assert json.loads((extra / "lastlayer.json").read_text(encoding="utf-8")) == told
    assert (extra / "labels.txt").read_text(encoding="utf-8") == known.label_lines()
    loaded = tf.saved_model.load(tmp_path / "saved_model")
    answer = loaded.signatures["serving_default"](images=tf.zeros([2, SIDE, SIDE, 3], tf.uint8))
    best = answer["probabilities"].numpy().argmax(1)
    assert [label.decode() for label in answer["label"].numpy()] == [LABELS[index] for index in best]


def test_the_metadata_of_tensorflow_lite_say_where_labels_are(backbone: LocalBackbone, tmp_path: Path) -> None:
    """Read with the format's own numbers of fields; see metadata_schema.fbs of TensorFlow Lite Support."""
    from tensorflow.lite.python import schema_py_generated as schema

    formats.write(conversion.join(backbone, head(threshold=0.6)), "tflite", tmp_path / "file", quantize=False)
    model = schema.Model.GetRootAs((tmp_path / "file").read_bytes(), 0)
    entries = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    content = model.Buffers(entries[b"TFLITE_METADATA"]).DataAsNumpy().tobytes()
    assert content[4:8] == b"M001"
    whole = Table.root(content)
    assert (whole.text(0), whole.text(2)) == ("ducks", "3")
    [graph] = whole.tables(3)
    [given], [found] = graph.tables(2), graph.tables(3)
    assert (given.text(0), found.text(0)) == ("images", "probabilities")
    assert given.table(3).number(0, 1) == 2  # ImageProperties
    assert given.table(3).table(1).number(0, 1) == 1  # RGB
    size = given.table(3).table(1).table(1)
    assert (size.number(0, 4), size.number(1, 4)) == (SIDE, SIDE)
    [labels] = found.tables(6)
    assert (labels.text(0), labels.number(2, 1)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS
    [threshold] = found.tables(4)
    assert threshold.number(0, 1) == 3  # ScoreThresholdingOptions


class Table:
    """A table of a flatbuffer, read by the numbers of its fields."""

    def __init__(self, content: bytes, place: int) -> None:
        self._content, self._place = content, place

    @classmethod
    def root(cls, content: bytes) -> "Table":
        return cls(content, int.from_bytes(content[:4], "little"))

    def _int(self, place: int, size: int = 4, *, signed: bool = False) -> int:
        return int.from_bytes(self._content[place : place + size], "little", signed=signed)

    def _field(self, number: int) -> int:
        fields = self._place - self._int(self._place, signed=True)
        assert 4 + 2 * number < self._int(fields, 2), f"there is no field {number}"
        offset = self._int(fields + 4 + 2 * number, 2)
        assert offset, f"the field {number} is not set"
        return self._place + offset

    def number(self, field: int, size: int) -> int:
        return self._int(self._field(field), size)

    def _at(self, place: int) -> int:
        return place + self._int(place)

    def text(self, field: int) -> str:
        place = self._at(self._field(field))
        return self._content[place + 4 : place + 4 + self._int(place)].decode()

    def table(self, field: int) -> "Table":
        return Table(self._content, self._at(self._field(field)))

    def tables(self, field: int) -> "list[Table]":
        place = self._at(self._field(field))
        return [Table(self._content, self._at(place + 4 + 4 * i)) for i in range(self._int(place))]


def jpeg(across: int, down: int, orientation: int = 1, mode: str = "RGB", **options: Any) -> bytes:
    [pixels] = generate_images(1, width=across, height=down, seed=across)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a description before it, which is stored elsewhere"
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", exif=exif, **options)
    return file.getvalue()


JPEGS = {
    "as it is": jpeg(SIDE, SIDE),
    "smaller": jpeg(20, 31),
    "wide": jpeg(333, 60, quality=95),
    "grey": jpeg(70, 90, mode="L"),
    "decoded at 1/2": jpeg(200, 170),
    "decoded at 1/8": jpeg(700, 900),
    "progressive": jpeg(80, 60, progressive=True),
    **{f"turned {orientation}": jpeg(101, 77, orientation) for orientation in range(2, 9)},
    "turned beyond what there is": jpeg(101, 77, 9),
}


@pytest.mark.parametrize("view", [View.CROP, View.WHOLE])
@pytest.mark.parametrize("name", JPEGS)
def test_tensorflow_makes_of_files_what_the_service_does(backbone: LocalBackbone, name: str, view: View) -> None:
    from lastlayer.featurizer.network.conversion import jpeg as tensorflow

    decoded = decode_whole(JPEGS[name], width=SIDE, height=SIDE, max_pixels=1_000_000, views=[view])
    right = decoded.seen[view].pixels.astype(np.int64)
    found = tensorflow.decode(JPEGS[name], backbone.spec.preprocessing, view).numpy()
    assert found.dtype == np.uint8
    assert np.abs(found - right).max() <= 2


def test_damaged_exif_is_no_orientation(backbone: LocalBackbone) -> None:
    from lastlayer.featurizer.network.conversion import jpeg as tensorflow

    content = jpeg(101, 77, 6)
    start = content.index(b"Exif\0\0") + 6
    for place, junk in ((start, b"??"), (start + 4, b"\xff\xff\xff\xff"), (start + 8, b"\xff\xff")):
        broken = content[:place] + junk + content[place + len(junk) :]
        assert tensorflow.decode(broken, backbone.spec.preprocessing, View.CROP).shape == (SIDE, SIDE, 3)


def test_a_saved_model_takes_files_of_any_size(backbone: LocalBackbone, network: "Graph", tmp_path: Path) -> None:
    known = head()
    saved_model.write(conversion.join(backbone, known), tmp_path / "model")
    files = list(JPEGS.values())
    found = saved_model.SavedModelFile(tmp_path / "model").probabilities_of_files(files)
    crops = np.stack([decode(file, width=SIDE, height=SIDE, max_pixels=1_000_000) for file in files])
    np.testing.assert_allclose(found, expected(network, known, crops), atol=0.02)


def test_a_folder_that_cannot_be_written_is_an_error_of_the_system(backbone: LocalBackbone, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        saved_model.write(conversion.join(backbone, head()), tmp_path / "file" / "model")


def test_a_head_that_does_not_fit_the_network_is_refused(backbone: LocalBackbone) -> None:
    with pytest.raises(ConversionError, match="The network tiny has no tap `deeper`"):
        conversion.join(backbone, replace(head(), taps=("deeper",)))
    with pytest.raises(ConversionError, match="yields 16 numbers at the taps of the head, which takes 8"):
        conversion.join(backbone, replace(head(("conv",)), taps=("pool",)))
    with pytest.raises(ConversionError, match="takes the mean over the views crop, whole-flipped"):
        conversion.join(backbone, head(views=(View.CROP, View.WHOLE_FLIPPED)))
