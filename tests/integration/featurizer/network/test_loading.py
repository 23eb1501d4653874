"""Networks made ready by the settings: what runs them, what is remembered of it, and graphs of Keras that are kept."""

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
from lastlayer.featurizer.network import loading, tuning
from lastlayer.featurizer.network.loading import Loaded, load
from lastlayer.featurizer.network.tuning import Distance, Measurement
from lastlayer.featurizer.network.variants import FULL, Variant
from lastlayer.testing.tiny_backbone import TAPS, write_tiny_backbone
from tests.integration.featurizer.network.test_keras_graph import SIZE, declared
from tests.lazy import LazyModule

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
    values |= {"engine": "tensorflow", "precision": "float32"}
    return load(FeaturizerSettings.model_validate(values | changes), lambda *_: None)


@pytest.fixture
def bfloat16_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that says that it has the instructions; TensorFlow computes in float32 where it has not."""
    monkeypatch.setattr(loading, "reduced_precision", lambda *, gpu: "bfloat16")


@pytest.fixture
def float32_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "reduced_precision", lambda *, gpu: None)


def script_speeds(monkeypatch: pytest.MonkeyPatch, fastest: Variant) -> list[list[Variant]]:
    """Let all variants be near float32, and one the fastest; returns what is measured, in order."""
    measured: list[list[Variant]] = []

    def measure(make: Any, variants: list[Variant], images: Any, taps: list[str], known: Any) -> dict[Variant, Any]:
        measured.append(list(variants))
        make(variants[0]).close()
        return {
            variant: Measurement(2.0 if variant == fastest else 1.0, dict.fromkeys(taps, Distance(0.995, 0.99)))
            for variant in {*variants, FULL}
        }

    monkeypatch.setattr(tuning, "measure", measure)
    return measured


def cosines(got: Any, expected: Any) -> Any:
    return (got * expected).sum(1) / np.linalg.norm(got, axis=1) / np.linalg.norm(expected, axis=1)


def test_float32_of_tensorflow_is_what_others_are_compared_with(declaration: Path) -> None:
    ready = loaded(declaration)
    assert ready.variant == FULL
    assert ready.digest == read_backbone(declaration).digest(hash_file(declaration.with_name("graph.pb")))
    assert ready.distances == dict.fromkeys(TAPS, (1, 1))
    assert not (declaration.parent.parent / "home/weights/tuned").exists()  # there was nothing to measure


@pytest.mark.usefixtures("bfloat16_processor")
def test_another_precision_is_the_same_backbone_at_a_measured_distance(declaration: Path) -> None:
    full = loaded(declaration)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    for engine in ("tensorflow", "openvino"):
        reduced = loaded(declaration, precision="bfloat16", engine=engine)
        assert reduced.variant == (engine, "bfloat16")
        assert reduced.digest == full.digest
        assert reduced.digest not in reduced.former_digests
        for tap, expected in full.graph.run(images, list(TAPS)).items():
            got = reduced.graph.run(images, list(TAPS))[tap]
            assert got.dtype == np.float32
            assert cosines(got, expected).min() > 0.999
            assert 0.999 < reduced.distances[tap].least_cosine <= reduced.distances[tap].mean_cosine <= 1


@pytest.mark.usefixtures("float32_processor")
def test_bfloat16_that_the_processor_has_not_is_refused(declaration: Path) -> None:
    with pytest.raises(BackboneError, match=r"FEATURIZER_PRECISION is `bfloat16`, but .*`auto` and `float32` work"):
        loaded(declaration, precision="bfloat16")


@pytest.mark.usefixtures("bfloat16_processor")
def test_what_was_measured_at_the_first_start_holds(
    declaration: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    measured = script_speeds(monkeypatch, Variant("tensorflow", "bfloat16"))
    first = loaded(declaration, precision="auto", engine="auto")
    assert first.variant == ("tensorflow", "bfloat16")
    assert "measured bfloat16 by tensorflow 2.0 images/s, " in caplog.text
    assert "computing in bfloat16 by tensorflow" in caplog.text
    script_speeds(monkeypatch, FULL)  # it would be measured otherwise on a busy machine
    again = loaded(declaration, precision="auto", engine="auto")
    assert (again.variant, again.digest, again.distances) == (first.variant, first.digest, first.distances)
    assert "computing in bfloat16 by tensorflow, as measured before" in caplog.text
    images = np.zeros((1, 32, 32, 3), np.uint8)
    assert first.graph.run(images, ["pool"])["pool"].shape == (1, 16)
    assert len(measured) == 1
    assert len(measured[0]) == 4


@pytest.mark.usefixtures("bfloat16_processor")
def test_auto_chooses_among_what_is_insisted_on(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script_speeds(monkeypatch, Variant("openvino", "float32"))
    assert loaded(declaration, precision="auto").variant == FULL
    assert loaded(declaration, precision="auto", engine="openvino").variant == ("openvino", "float32")
    assert loaded(declaration, precision="float32", engine="auto").variant == ("openvino", "float32")
    assert loaded(declaration, precision="auto", engine="auto").variant == ("openvino", "float32")


def test_a_first_start_really_measures(declaration: Path) -> None:
    ready = loaded(declaration, precision="auto", engine="auto")
    assert min(distance.least_cosine for distance in ready.distances.values()) > 0.999
    (kept,) = (declaration.parent.parent / "home/weights/tuned").iterdir()
    found = tuning.recall(kept, "")
    assert found[FULL].images_per_second > 0
    assert set(found) >= {FULL, Variant("openvino", "float32")}


def test_what_is_far_from_float32_is_served_where_it_is_insisted_on(
    declaration: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tuning, "compare", lambda expected, got: dict.fromkeys(expected, Distance(0.9, 0.5)))
    assert loaded(declaration, precision="auto", engine="auto").variant == FULL
    assert "far" not in caplog.text
    ready = loaded(declaration, engine="openvino")
    assert ready.variant == ("openvino", "float32")
    assert "float32 by openvino is far from float32 (mean cosine 0.9000), so that heads refuse" in caplog.text
    assert set(ready.distances.values()) == {(0.9, 0.5)}


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


def test_engines_agree_in_float32(declaration: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    ours, other = loaded(declaration), loaded(declaration, engine="openvino")
    assert (ours.device, other.device) == ("CPU", "CPU, by OpenVINO")
    assert other.digest == ours.digest
    for tap, expected in ours.graph.run(images, list(TAPS)).items():
        np.testing.assert_allclose(other.graph.run(images, list(TAPS))[tap], expected, rtol=1e-4, atol=1e-5)
    assert min(distance.least_cosine for distance in other.distances.values()) > 0.99999


def test_an_engine_that_is_not_installed_is_refused(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackboneError, match=r"OpenVINO is not installed: `pip install 'lastlayer\[featurizer-openvino"):
        loaded(declaration, engine="openvino")
    assert loaded(declaration, engine="auto", precision="float32").variant == FULL


@pytest.mark.long
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
