"""Networks in int8: made, kept, served, and how far from float32 they are."""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lastlayer.featurizer.__main__ import main
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network import quantization
from lastlayer.featurizer.network.loading import Loaded, LocalBackbone, load
from lastlayer.featurizer.network.quantization import path_of
from lastlayer.featurizer.network.variants import Variant
from lastlayer.testing.tiny_backbone import TAPS, write_tiny_backbone

INT8 = Variant("openvino", "int8")


def jpeg(number: int) -> bytes:
    """Return a photo, each another one."""
    pixels = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC).save(file, "jpeg")
    return file.getvalue()


@pytest.fixture
def declaration(tmp_path: Path) -> Path:
    pytest.importorskip("nncf", reason="networks in int8 are made by NNCF")
    return write_tiny_backbone(tmp_path / "tiny")


def settings(declaration: Path, **changes: Any) -> FeaturizerSettings:
    values = {"home": declaration.parent.parent / "home", "backbone": str(declaration)}
    return FeaturizerSettings.model_validate(values | {"engine": "auto", "precision": "auto"} | changes)


def loaded(declaration: Path, **changes: Any) -> Loaded:
    return load(settings(declaration, **changes), lambda *_: None)


def kept(declaration: Path) -> Path:
    local = LocalBackbone(settings(declaration), lambda *_: None)
    return path_of(settings(declaration).weights_folder, local.resolved.digest)


def test_a_network_is_made_in_int8_at_the_first_start_and_kept(
    declaration: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    ready = loaded(declaration, precision="int8")
    assert ready.variant == INT8
    assert "in int8, calibrated on generated images" in caplog.text
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    full = loaded(declaration, engine="tensorflow", precision="float32")
    vectors, expected = ready.graph.run(images, list(TAPS)), full.graph.run(images, list(TAPS))
    for tap in TAPS:
        assert 0.9 < ready.distances[tap].least_cosine <= ready.distances[tap].mean_cosine <= 1
        assert not np.array_equal(vectors[tap], expected[tap])
        np.testing.assert_allclose(vectors[tap], expected[tap], atol=0.1 * np.abs(expected[tap]).max())
    # Maps as well, whose means are the vectors.
    for tap, maps in ready.graph.maps(images[:1], ["conv"]).items():
        np.testing.assert_allclose(maps.mean((1, 2)), ready.graph.run(images[:1], [tap])[tap], rtol=0.05, atol=0.05)

    monkeypatch.setitem(sys.modules, "nncf", None)  # not needed any more
    again = loaded(declaration, precision="int8")
    for tap, values in again.graph.run(images, list(TAPS)).items():
        np.testing.assert_array_equal(values, vectors[tap])
    assert again.distances == ready.distances


@pytest.mark.long
def test_auto_takes_a_network_in_int8_where_it_was_made(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastlayer.featurizer.network.tuning._seconds", lambda *_: 1.0)
    assert INT8 not in LocalBackbone(settings(declaration), lambda *_: None).candidates
    before = loaded(declaration)
    local = LocalBackbone(settings(declaration), lambda *_: None)
    local.quantize()
    candidates = local.candidates
    assert INT8 in candidates
    measured = local.measure(candidates)
    assert measured[INT8].distances == local.quantized.distances  # type: ignore[union-attr]
    assert before.digest == loaded(declaration).digest


@pytest.mark.long
def test_a_network_in_int8_that_is_damaged_is_not_used(declaration: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded(declaration, precision="int8")
    path = kept(declaration)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert INT8 not in LocalBackbone(settings(declaration), lambda *_: None).candidates
    assert "is damaged, and not used; `featurizer quantize` makes it again" in caplog.text
    assert loaded(declaration, precision="int8").variant == INT8  # made again
    assert quantization.read(path) is not None


def test_int8_is_refused_where_it_cannot_be_made(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(BackboneError, match=r"needs NNCF: `pip install 'lastlayer\[quantize\]'` brings it"):
        loaded(declaration, precision="int8")


@pytest.mark.long
def test_nobody_is_told_that_a_network_is_made(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NNCF's telemetry is off: it would call home."""
    program = """
import sys
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import load
connected = []
sys.addaudithook(lambda event, found: connected.append(found) if event == "socket.connect" else None)
load(FeaturizerSettings.model_validate({"home": sys.argv[1], "backbone": sys.argv[2], "precision": "int8",
    "engine": "auto"}), lambda *_: None)
from nncf.telemetry import telemetry
print(type(telemetry._tm).__name__ if hasattr(telemetry, "_tm") else type(telemetry).__name__, connected)
"""
    arguments = [str(declaration.parent.parent / "other"), str(declaration)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].endswith(" []")
    assert "MagicMock" in done.stdout.splitlines()[-1]


def test_photos_calibrate_and_others_of_them_measure(
    declaration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "photos"
    (photos / "deeper").mkdir(parents=True)
    for number in range(36):
        folder = photos / "deeper" if number % 2 else photos
        folder.joinpath(f"{number}.jpg").write_bytes(jpeg(number))
    photos.joinpath("broken.jpg").write_bytes(b"none")
    photos.joinpath("text.txt").write_bytes(b"none")
    monkeypatch.setenv("LASTLAYER_HOME", str(declaration.parent.parent / "home"))
    monkeypatch.setenv("FEATURIZER_ENGINE", "auto")
    monkeypatch.setenv("FEATURIZER_PRECISION", "auto")
    done = CliRunner().invoke(main, ["quantize", "--backbone", str(declaration), "--images", str(photos)])
    assert done.exit_code == 0, done.output
    assert "tiny is there in int8, calibrated on 24 images\n" in done.output
    assert all(f"  {tap}: mean cosine to float32 0.9" in done.output or "1.0" in done.output for tap in TAPS)
    made = quantization.read(kept(declaration))
    assert made is not None
    assert made.calibrated_on == "24 images"

    few = tmp_path / "few"
    few.mkdir()
    few.joinpath("one.jpg").write_bytes(jpeg(1))
    refused = CliRunner().invoke(main, ["quantize", "--backbone", str(declaration), "--images", str(few)])
    assert refused.exit_code == 2
    assert "has 1 photos that can be read, and at least 30 are needed; without --images made-up ones" in refused.output


def test_tune_shows_what_is_taken(declaration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTLAYER_HOME", str(declaration.parent.parent / "home"))
    monkeypatch.setenv("FEATURIZER_ENGINE", "auto")
    monkeypatch.setenv("FEATURIZER_PRECISION", "auto")
    done = CliRunner().invoke(main, ["tune", "--backbone", str(declaration)])
    assert done.exit_code == 0, done.output
    rows = [line for line in done.output.splitlines() if line[:2] in ("* ", "  ")]
    assert sum(row.startswith("* ") for row in rows) == 1
    assert any("tensorflow float32" in row and "images/s   cosine to float32: mean 1.0000" in row for row in rows)
    entries = [
        json.loads(line)
        for line in CliRunner().invoke(main, ["tune", "--backbone", str(declaration), "--json"]).stdout.splitlines()
    ]
    assert [entry["chosen"] for entry in entries].count(True) == 1
    (chosen,) = (entry for entry in entries if entry["chosen"])
    assert loaded(declaration).variant == (chosen["engine"], chosen["precision"])


def sources_of_convolutions(declaration: Path) -> set[tuple[str, str]]:
    """Return the convolutions that a network in int8 has, and what each reads, whatever the order of its axes."""
    import openvino

    made = quantization.read(kept(declaration))
    assert made is not None
    model = openvino.Core().read_model(made.xml, openvino.Tensor(np.frombuffer(made.weights, np.uint8)))

    def source(node: Any) -> str:
        before = node.input_value(0).get_node()
        return source(before) if before.get_type_name() == "Transpose" else str(before.get_type_name())

    return {(node.get_type_name(), source(node)) for node in model.get_ops() if "Convolution" in node.get_type_name()}


def test_a_convolution_that_reads_the_pixels_is_not_quantised(declaration: Path) -> None:
    import tensorflow as tf

    graph = tf.Graph()
    random = np.random.default_rng(0)
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="input")
        first, second = (random.standard_normal((3, 3, depth, 8)).astype(np.float32) for depth in (3, 8))
        conv = tf.nn.relu(tf.nn.conv2d(pixels, first, 2, "SAME"), name="conv")
        pool = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(conv, second, 1, "SAME")), [1, 2], name="pool")
        tf.matmul(pool, tf.constant(random.standard_normal((8, 5)).astype(np.float32)), name="scores")
    declaration.with_name("graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    assert loaded(declaration, precision="int8").variant == INT8
    read = sources_of_convolutions(declaration)
    assert len(read) == 2
    assert ("Convolution", "FakeQuantize") in read


@pytest.mark.long
def test_a_depthwise_convolution_is_not_quantised(tmp_path: Path) -> None:
    """As in Xception: a tap reads the same map, in another order of its axes."""
    pytest.importorskip("nncf", reason="networks in int8 are made by NNCF")
    import tensorflow as tf

    declaration = write_tiny_backbone(tmp_path / "separable")
    graph = tf.Graph()
    random = np.random.default_rng(0)
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name="input")
        halves = [random.standard_normal((3, 3, 3, 8)).astype(np.float32) for _ in range(2)]
        parts = [tf.nn.conv2d(pixels, tf.constant(half), strides=2, padding="VALID") for half in halves]
        conv = tf.add(*parts, name="conv")
        depth, point = (random.standard_normal(shape).astype(np.float32) for shape in ((3, 3, 8, 1), (1, 1, 8, 16)))
        second = tf.nn.separable_conv2d(conv, tf.constant(depth), tf.constant(point), [1, 1, 1, 1], "VALID")
        pool = tf.reduce_mean(tf.nn.relu(second), [1, 2], name="pool")
        tf.matmul(pool, tf.constant(random.standard_normal((16, 5)).astype(np.float32)), name="scores")
    declaration.with_name("graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    ready = loaded(declaration, precision="int8")
    assert ready.variant == INT8
    assert min(distance.mean_cosine for distance in ready.distances.values()) > 0.99
    assert sources_of_convolutions(declaration) == {("Convolution", "FakeQuantize"), ("GroupConvolution", "Add")}
