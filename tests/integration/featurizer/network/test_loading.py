"""Networks made ready by the settings: precision and what is remembered of it, and graphs of Keras that are kept."""

import hashlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lastlayer.featurizer.backbones.hashed_file import hash_file
from lastlayer.featurizer.backbones.spec import read_backbone
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network import loading
from lastlayer.featurizer.network.loading import Loaded, load
from tests.integration.featurizer.network.test_keras_graph import SIZE, declared
from tests.lazy import LazyModule
from tests.tiny_backbone import TAPS, write_tiny_backbone

if TYPE_CHECKING:
    import keras

    from lastlayer.featurizer.network import frozen_graph
    from lastlayer.featurizer.network import graph as network
else:
    keras = LazyModule("keras")
    frozen_graph = LazyModule("lastlayer.featurizer.network.frozen_graph")
    network = LazyModule("lastlayer.featurizer.network.graph")


@pytest.fixture
def declaration(tmp_path: Path) -> Path:
    return write_tiny_backbone(tmp_path / "tiny")


def loaded(declaration: Path, **changes: Any) -> Loaded:
    values = {"home": declaration.parent.parent / "home", "backbone": str(declaration)}
    return load(FeaturizerSettings.model_validate(values | changes), lambda *_: None)


@pytest.fixture
def bfloat16_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says that it has the instructions; TensorFlow computes in float32 where it has not."""
    monkeypatch.setattr(loading, "reduced_precision", lambda *, gpu: "bfloat16")


@pytest.fixture
def float32_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "reduced_precision", lambda *, gpu: None)


def test_float32_is_the_default_and_leaves_the_digest_alone(declaration: Path) -> None:
    ready = loaded(declaration)
    assert ready.precision == "float32"
    assert ready.digest == read_backbone(declaration).digest(hash_file(declaration.with_name("graph.pb")))


@pytest.mark.usefixtures("bfloat16_processor")
def test_another_precision_is_another_backbone(declaration: Path) -> None:
    full, reduced = loaded(declaration, precision="float32"), loaded(declaration, precision="bfloat16")
    assert reduced.precision == "bfloat16"
    assert reduced.digest != full.digest
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    for tap, expected in full.graph.run(images, list(TAPS)).items():
        got = reduced.graph.run(images, list(TAPS))[tap]
        cosines = (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)
        assert got.dtype == np.float32
        assert cosines.min() > 0.999


@pytest.mark.usefixtures("float32_processor")
def test_bfloat16_that_the_processor_has_not_is_refused(declaration: Path) -> None:
    with pytest.raises(BackboneError, match=r"FEATURIZER_PRECISION is `bfloat16`, but .*`auto` and `float32` work"):
        loaded(declaration, precision="bfloat16")


@pytest.mark.usefixtures("float32_processor")
def test_auto_is_float32_where_there_is_nothing_to_choose(declaration: Path) -> None:
    assert loaded(declaration, precision="auto").precision == "float32"


@pytest.mark.usefixtures("bfloat16_processor")
@pytest.mark.parametrize("faster", [True, False])
def test_what_auto_has_measured_once_holds(
    declaration: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, faster: bool
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(loading, "compare", lambda *_, **__: (faster, "measured"))
    first = loaded(declaration, precision="auto")
    assert first.precision == ("bfloat16" if faster else "float32")
    assert "bfloat16 is measured" in caplog.text
    monkeypatch.setattr(loading, "compare", lambda *_, **__: (not faster, "measured on a busy machine"))
    again = loaded(declaration, precision="auto")
    assert (again.precision, again.digest) == (first.precision, first.digest)
    assert f"computing in {first.precision}, as before" in caplog.text
    images = np.zeros((1, 32, 32, 3), np.uint8)
    assert first.graph.run(images, ["pool"])["pool"].shape == (1, 16)  # the other one was closed


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_graph_of_a_keras_network_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec, weights = declared(), tmp_path / "model.weights.h5"
    cache = frozen_graph.GraphCache(tmp_path / "frozen", "digest")
    keras.utils.set_random_seed(0)
    keras.applications.MobileNet(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)).save_weights(weights)
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    taps = [tap.name for tap in spec.taps]
    expected = network.Graph(spec, weights, "", cache=cache).run(images, taps)
    (kept,) = cache.folder.iterdir()

    def assert_same() -> None:
        for tap, values in network.Graph(spec, weights, "", cache=cache).run(images, taps).items():
            np.testing.assert_array_equal(values, expected[tap])

    def assert_kept() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(keras.applications, "MobileNet", None)  # cannot be built any more
            assert_same()

    assert_kept()
    content = bytearray(kept.read_bytes())
    content[-9] ^= 1
    kept.write_bytes(content)
    assert_same()
    assert "is damaged; making it again" in caplog.text
    assert_kept()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    spec, weights = declared(), tmp_path / "model.weights.h5"
    keras.applications.MobileNet(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)).save_weights(weights)
    (tmp_path / "file").touch()
    graph = network.Graph(spec, weights, "", cache=frozen_graph.GraphCache(tmp_path / "file" / "frozen", "digest"))
    assert [tap.name for tap in graph.taps] == [tap.name for tap in spec.taps]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_keras_is_imported_only_where_the_network_is_of_keras(declaration: Path, tmp_path: Path) -> None:
    # In a process of its own, where nothing has imported it.
    program = """
import sys
from pathlib import Path
from lastlayer.featurizer.backbones.spec import BackboneSpec
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import load
load(FeaturizerSettings.model_validate({"home": sys.argv[1], "backbone": sys.argv[2]}), lambda *_: None)
print({"keras", "sklearn", "matplotlib"} & set(sys.modules))
from lastlayer.featurizer.network.graph import Graph
graph = Graph(BackboneSpec.model_validate_json(sys.argv[3]), Path(sys.argv[4]))
print("keras" in sys.modules, *(tap.name for tap in graph.taps))
"""
    spec, weights = declared(), tmp_path / "model.weights.h5"
    keras.applications.MobileNet(weights=None, include_top=False, input_shape=(SIZE, SIZE, 3)).save_weights(weights)
    arguments = [str(tmp_path / "home"), str(declaration), spec.model_dump_json(), str(weights)]
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines() == ["set()", "True middle last"]


@pytest.mark.usefixtures("bfloat16_processor")
def test_engines_agree_in_float32_and_are_told_apart_in_16_bits(declaration: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    ours, other = loaded(declaration), loaded(declaration, engine="openvino")
    assert (ours.device, other.device) == ("CPU", "CPU, by OpenVINO")
    assert other.digest == ours.digest
    for tap, expected in ours.graph.run(images, list(TAPS)).items():
        np.testing.assert_allclose(other.graph.run(images, list(TAPS))[tap], expected, rtol=1e-4, atol=1e-5)

    rounded = [loaded(declaration, precision="bfloat16", engine=engine) for engine in ("tensorflow", "openvino")]
    assert len({ready.digest for ready in (ours, *rounded)}) == 3
    assert [ready.precision for ready in rounded] == ["bfloat16", "bfloat16"]


@pytest.mark.usefixtures("bfloat16_processor")
def test_auto_chooses_for_each_engine(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "compare", lambda *_, **__: (True, "measured"))
    assert loaded(declaration, precision="auto").precision == "bfloat16"
    monkeypatch.setattr(loading, "compare", lambda *_, **__: (False, "measured"))
    assert loaded(declaration, precision="auto", engine="openvino").precision == "float32"
    assert loaded(declaration, precision="auto").precision == "bfloat16"


def test_an_engine_that_is_not_installed_is_refused(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackboneError, match=r"OpenVINO is not installed: `pip install 'lastlayer\[featurizer-openvino"):
        loaded(declaration, engine="openvino")


def test_weights_are_hashed_once_at_a_start(tmp_path: Path) -> None:
    # In a process of its own, as what watches files being opened cannot be taken away again.
    program = """
import sys
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import load
opened = []
sys.addaudithook(lambda event, found: event == "open" and opened.append(str(found[0])))
settings = FeaturizerSettings.model_validate({"home": sys.argv[1], "backbone": sys.argv[2], "mirror": sys.argv[3]})
for _ in range(2):
    loaded = load(settings, lambda *_: None)
    print(sum(path.endswith(("graph.pb", "graph.pb.copy")) for path in opened))
    opened.clear()
"""
    mirror = tmp_path / "mirror"
    declaration = write_tiny_backbone(mirror / "tiny")
    own = tmp_path / "own" / "tiny.toml"
    own.parent.mkdir()
    checksum = hashlib.sha256(declaration.with_name("graph.pb").read_bytes()).hexdigest()
    own.write_text(f'{declaration.read_text()}checksum = "sha256:{checksum}"\n')
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "home"), str(own), str(mirror)],
        capture_output=True,
        text=True,
        check=True,
    )
    # To hash the file and to load it take one each. The first start also copies it, which takes two, and syncs it.
    assert done.stdout.split() == ["5", "2"]
