"""`lastlayer export` beside real services: what it writes and refuses, and the example programs on what it wrote."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from lastlayer.client import Client, ImageError, Prediction
from lastlayer.client.results.server import Backbone
from lastlayer.featurizer.errors import ConversionError
from lastlayer.local.__main__ import main
from lastlayer.local.export.run import Exported, Wanted, export
from lastlayer.local.services import SCRIPTS, Service, free_port
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.e2e.conftest import json_lines, run_client, running_classifier
from tests.e2e.test_move import write_photos
from tests.markdown import ROOT
from tests.programs import run, until
from tests.shared import SHARED, needs_shared

pytestmark = pytest.mark.long

EXAMPLES = ROOT / "examples/whole-model"


@dataclass(frozen=True)
class Trained:
    """A classifier with a model `default`, and the photos that it was trained on."""

    address: str
    photos: Path
    backbone: Path
    home: Path

    def export(self, *arguments: object, **environment: str) -> Result:
        """Run `lastlayer export` in this process, which has TensorFlow already."""
        settings = {"LASTLAYER_SERVER": self.address, "LASTLAYER_HOME": str(self.home)}
        settings |= {"LASTLAYER_BACKBONE": str(self.backbone), **environment}
        return CliRunner().invoke(main, ["export", *map(str, arguments)], env=settings)

    def predicted(self, *photos: Path, model: str = "default") -> list[tuple[str, str, float]]:
        """What the service says of photos: path, class and probability."""
        lines = json_lines(run_client(self.address, "predict", "--model", model, "--json", *map(str, photos)))
        return [(line["image"], line["label"], line["score"]) for line in lines]


@pytest.fixture(scope="module")
def trained(featurizer: Service, tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("take-away")
    write_photos(folder / "photos")
    with running_classifier(featurizer, folder / "state") as classifier:
        json_lines(run_client(classifier.address, "train", str(folder / "photos"), "--json"))
        yield Trained(classifier.address, folder / "photos", tiny_backbone, folder / "home")


TARGETS = {"app.tflite": "tflite", "model.onnx": "onnx", "flowers/1": "saved_model"}


@pytest.fixture(scope="module")
def files(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each format, by format."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "flowers").mkdir()
    found = {}
    for name, kind in TARGETS.items():
        done = trained.export("default", "--to", folder / name, "--images", trained.photos, "--json")
        assert done.exit_code == 0, done.output
        [told] = [json.loads(line) for line in done.stdout.splitlines()]
        assert (told["model"], told["version"], told["format"]) == ("default", 1, kind)
        assert (told["width"], told["height"], told["labels"]) == (32, 32, ["dark", "light"])
        assert (told["compared_on"], told["precision_of_service"]) == (f"photos of {trained.photos}", "float32")
        assert (told["beside_service"]["images"], told["beside_service"]["same"]) == (12, 12)
        assert told["beside_service"]["largest"] < 1e-4
        assert told["beside_float32"] is None
        assert told["given_jpeg_files"] is None  # the photos are PNG
        assert told["bytes"] > 5000
        found[kind] = folder / name
    return found


def parsed(printed: str) -> list[tuple[str, str, float]]:
    rows = [line.split("\t") for line in printed.splitlines()]
    return [(photo, label, float(score)) for photo, label, score in rows]


def assert_same(found: list[tuple[str, str, float]], expected: list[tuple[str, str, float]], tolerance: float) -> None:
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in expected], abs=tolerance)


@pytest.mark.parametrize(("program", "kind"), [("with_litert.py", "tflite"), ("with_onnxruntime.py", "onnx")])
def test_the_examples_predict_as_the_service(trained: Trained, files: dict[str, Path], program: str, kind: str) -> None:
    photos = sorted(trained.photos.rglob("*.png"))
    done = subprocess.run(
        [sys.executable, EXAMPLES / program, files[kind], *photos], capture_output=True, text=True, check=True
    )
    assert_same(parsed(done.stdout), trained.predicted(*photos), 0.001)


def test_the_example_of_javascript_predicts_as_the_service(
    trained: Trained, files: dict[str, Path], tmp_path: Path
) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("NOT RUN: with_onnxruntime.mjs needs node and npm, which are not installed")
    photos = write_jpegs(trained, tmp_path)
    folder = tmp_path / "whole-model"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if installed.returncode:
        pytest.skip(f"NOT RUN: npm cannot install what with_onnxruntime.mjs names: {installed.stderr[-300:]}")
    program: list[Any] = [node, "with_onnxruntime.mjs", files["onnx"], *photos]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=True)
    assert_same(parsed(done.stdout), trained.predicted(*photos), 0.02)  # another decoder of JPEG


def write_jpegs(trained: Trained, folder: Path) -> list[Path]:
    photos = []
    for number, photo in enumerate(sorted(trained.photos.rglob("*.png"))):
        photos.append(folder / f"{number}.jpg")
        Image.open(photo).resize((90, 70)).save(photos[-1])
    return photos


def test_what_a_saved_model_makes_of_files_is_compared_too(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_jpegs(trained, tmp_path / "photos")
    done = trained.export("--to", tmp_path / "model", "--images", tmp_path / "photos")
    assert done.exit_code == 0, done.output
    beside, files, *_ = done.stdout.splitlines()
    assert beside.startswith("Beside the service, which computes in float32: the same best class on 12 of 12 images")
    assert files.startswith("Given JPEG files, which it decodes itself: the same best class on 12 of 12 images")


def test_a_saved_model_answers_as_tensorflow_serving_does(
    trained: Trained, files: dict[str, Path], tmp_path: Path
) -> None:
    photos = write_jpegs(trained, tmp_path)
    address = f"http://127.0.0.1:{free_port()}/v1/models/flowers"
    port = address.split(":")[2].split("/")[0]
    command: list[Any] = [sys.executable, EXAMPLES / "serve_saved_model.py", files["saved_model"], port]
    log = tmp_path / "log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            until(lambda: "serving" in log.read_text() or server.poll() is not None)
            asked: list[Any] = [sys.executable, EXAMPLES / "with_tensorflow_serving.py", address, *photos]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (done.stderr, log.read_text())
            assert_same(parsed(done.stdout), trained.predicted(*photos), 0.02)  # another decoder of JPEG
        finally:
            server.terminate()


def test_tensorflows_own_tool_reads_the_signatures(files: dict[str, Path]) -> None:
    tool = [str(SCRIPTS / "saved_model_cli"), "show", "--dir", str(files["saved_model"]), "--tag_set", "serve"]
    pixels, by_file = (" ".join(run([*tool, "--signature_def", name]).split()) for name in ("serving_default", "jpeg"))
    assert "inputs['images'] tensor_info: dtype: DT_UINT8 shape: (-1, 32, 32, 3)" in pixels
    assert "inputs['jpeg'] tensor_info: dtype: DT_STRING shape: (-1)" in by_file
    for shown in (pixels, by_file):
        assert "outputs['label'] tensor_info: dtype: DT_STRING shape: (-1)" in shown
        assert "outputs['probabilities'] tensor_info: dtype: DT_FLOAT shape: (-1, 2)" in shown


def test_it_is_told_in_sentences(trained: Trained, tmp_path: Path) -> None:
    done = subprocess.run(
        [SCRIPTS / "lastlayer", "export", "--to", "app.tflite", "--quantize", "--server", trained.address],
        cwd=tmp_path,
        env={**os.environ, "LASTLAYER_BACKBONE": str(trained.backbone), "LASTLAYER_HOME": str(trained.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    beside, written, takes = done.stdout.splitlines()
    assert beside.startswith("Beside the service, which computes in float32: the same best class on 12 of 12 images, ")
    assert written.startswith("Version 1 of model default written: app.tflite (")
    assert takes == "It takes images, uint8 [n, 32, 32, 3], and yields probabilities, float32 [n, 2]"
    assert done.stderr.splitlines() == [
        "Asking the service about 12 images: small pictures of its training images.",
        "Converting tiny and the head.",
    ]


def test_what_is_there_stays_unless_told_otherwise(trained: Trained, tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_text("mine")
    refused = trained.export("--to", target)
    assert refused.exit_code == 1
    assert refused.stderr == f"Error: `{target}` is there already; --overwrite takes its place.\n"
    assert target.read_text() == "mine"
    done = trained.export("--to", target, "--overwrite")
    assert done.exit_code == 0, done.output
    assert target.stat().st_size > 5000


def test_what_cannot_be_written_is_refused_in_one_sentence(trained: Trained, tmp_path: Path) -> None:
    other = write_tiny_backbone(tmp_path / "other", seed=1)
    (tmp_path / "empty").mkdir()
    for arguments, environment, sentence in (
        (["--to", "model.h5"], {}, "`model.h5` names no format: give FILE.tflite, FILE.onnx, or a folder"),
        (["--to", "a.onnx", "--quantize"], {}, "--quantize is for FILE.tflite alone"),
        (["--to", "a.onnx"], {"LASTLAYER_BACKBONE": ""}, "is not built in; name its TOML file with --backbone FILE."),
        (["--to", "a.onnx", "--backbone", other], {}, "name the network that it was trained with, by --backbone."),
        (["--to", "a.onnx", "--images", tmp_path / "empty"], {}, "empty` has no photo that can be read."),
        (["--to", "a.onnx", "nothing"], {}, "There is no model `nothing`"),
        (["--to", "a.onnx"], {"LASTLAYER_SERVER": "127.0.0.1:9"}, "cannot be reached"),
    ):
        done = trained.export(*arguments, **environment)
        assert done.exit_code == 1
        [line] = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert sentence in line
    assert not list(Path().glob("a.onnx"))


def test_a_head_that_sees_the_whole_image_predicts_squashed_photos(trained: Trained, tmp_path: Path) -> None:
    named = ["--model", "squashed", "--views", "whole,whole-flipped", "--json"]
    json_lines(run_client(trained.address, "train", str(trained.photos), *named))
    done = trained.export("squashed", "--to", tmp_path / "app.tflite", "--images", trained.photos)
    assert done.exit_code == 0, done.output
    photos = sorted(trained.photos.rglob("*.png"))
    predicted = subprocess.run(
        [sys.executable, EXAMPLES / "with_litert.py", tmp_path / "app.tflite", *photos],
        capture_output=True,
        text=True,
        check=True,
    )
    assert_same(parsed(predicted.stdout), trained.predicted(*photos, model="squashed"), 0.001)


def exported(client: Client, trained: Trained, target: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Exported:
    monkeypatch.setenv("LASTLAYER_HOME", str(trained.home))
    wanted = Wanted("default", 0, target, backbone=str(trained.backbone), **more)
    return export(client, wanted, lambda *_: None, lambda _: None)


class Mistaken(Client):
    """A service that takes dark for light."""

    def predict_stream(self, images: Iterable[Any], **how: Any) -> Iterator[Prediction]:
        for prediction in super().predict_stream(images, **how):
            first, second = prediction.scores
            swapped = replace(first, label=second.label), replace(second, label=first.label)
            yield replace(prediction, scores=swapped)


class MistakenAndRounding(Mistaken):
    """Such a service, which besides says to compute in fewer digits than float32."""

    def get_served_backbone(self) -> Backbone:
        return replace(super().get_served_backbone(), precision="bfloat16")


@pytest.mark.parametrize(("kind", "quantize"), [(Mistaken, False), (Mistaken, True), (MistakenAndRounding, False)])
def test_a_file_that_predicts_otherwise_is_not_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Client], quantize: bool
) -> None:
    with kind(trained.address) as client, pytest.raises(ConversionError, match="on 0 of 12 images"):
        exported(client, trained, tmp_path / "app.tflite", monkeypatch, quantize=quantize)
    assert not list(tmp_path.iterdir())


class Failing(Client):
    """A service that cannot read the second image."""

    def predict_stream(self, images: Iterable[Any], **how: Any) -> Iterator[Prediction]:
        for index, prediction in enumerate(super().predict_stream(images, **how)):
            yield replace(prediction, scores=(), error=ImageError("It is damaged.")) if index == 1 else prediction


def test_an_image_that_the_service_cannot_read_is_named(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Failing(trained.address) as client,
        pytest.raises(ConversionError, match=r"`.*\.png`: It is damaged"),
    ):
        exported(client, trained, tmp_path / "app.tflite", monkeypatch, images=trained.photos)
    assert not list(tmp_path.iterdir())


class Rounding(Client):
    """A service that says to compute in fewer digits than float32, and is off by as much."""

    def get_served_backbone(self) -> Backbone:
        return replace(super().get_served_backbone(), precision="bfloat16")

    def predict_stream(self, images: Iterable[Any], **how: Any) -> Iterator[Prediction]:
        for prediction in super().predict_stream(images, **how):
            scores = [replace(score, score=score.score * 0.98 + 0.01) for score in prediction.scores]
            yield replace(prediction, scores=tuple(scores))


def test_beside_a_service_of_fewer_digits_float32_decides(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Rounding(trained.address) as client:
        done = exported(client, trained, tmp_path / "model.onnx", monkeypatch)
    assert done.precision == "bfloat16"
    assert done.service.largest > 1e-3
    assert done.exact is not None
    assert (done.exact.same, done.exact.largest < 1e-4) == (12, True)


def test_without_training_images_generated_ones_do(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    json_lines(run_client(trained.address, "train", str(trained.photos), "--model", "alone", "--json"))
    with Client(trained.address) as client:
        client.delete_dataset("alone")
        monkeypatch.setenv("LASTLAYER_HOME", str(trained.home))
        wanted = Wanted("alone", 1, tmp_path / "model.onnx", backbone=str(trained.backbone))
        done = export(client, wanted, lambda *_: None, lambda _: None)
    assert (done.images, done.service.images, done.service.same) == ("generated images", 32, 32)


@needs_shared
def test_googlenet_in_all_formats(googlenet: str, tmp_path: Path) -> None:
    flowers = SHARED / "data/flowers"
    json_lines(run_client(googlenet, "train", str(flowers), "--model", "whole", "--json"))
    known = Trained(googlenet, flowers, Path("googlenet"), tmp_path / "home")
    sizes = {}
    for name, quantize in (("a.tflite", []), ("a.onnx", []), ("a", []), ("small.tflite", ["--quantize"])):
        done = known.export(
            *("whole", "--to", tmp_path / name, "--images", flowers, "--json", *quantize),
            LASTLAYER_MIRROR=str(SHARED / "models"),
        )
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout.splitlines()[-1])
        beside = told["beside_service"]
        assert beside["images"] == 200
        assert beside["same"] >= (190 if quantize else 200)
        assert beside["largest"] < (0.3 if quantize else 1e-4)
        sizes[name] = told["bytes"]
    assert sizes["small.tflite"] < 0.3 * sizes["a.tflite"]
