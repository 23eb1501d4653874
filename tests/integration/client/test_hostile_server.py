"""What a hostile server says is text and numbers for the client: never a path, a format or a control character."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lastlayer.rpc.errors import InvalidFieldError
from lastlayer.v1 import types_pb2
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.client.test_report import Reviewed

EVIL = "x\x1b[2J\x9b31m\n\r\u202eError: forged"
NAN = float("nan")


def evil_texts(message: Any) -> Any:
    """Fill every text of a message, and of those inside of it, with control characters."""
    for field, value in message.ListFields():
        if field.name in ("page_token", "next_page_token"):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value[EVIL] = EVIL
        elif field.message_type is not None:
            if field.message_type.full_name.startswith("google.protobuf"):
                continue
            for entry in value if hasattr(value, "add") else [value]:
                evil_texts(entry)
        elif field.type == field.TYPE_STRING:
            if isinstance(value, str):
                setattr(message, field.name, EVIL)
            else:
                value[:] = [f"{EVIL}{number}" for number in range(len(value))]
    return message


class Hostile(Reviewed):
    """Puts control characters into every text of its answers."""

    def _predictions(self, request):
        return evil_texts(super()._predictions(request))

    def _outcome(self, example):
        outcome = evil_texts(super()._outcome(example))
        if outcome.HasField("error"):
            outcome.error.message = EVIL
        return outcome

    def _pooled(self, example):
        outcome = evil_texts(super()._pooled(example))
        if outcome.HasField("error"):
            outcome.error.message = EVIL
        return outcome

    def NextExamples(self, request, context):
        return evil_texts(super().NextExamples(request, context))

    def _stored(self, sha256, labels, thumbnails=False):
        return evil_texts(super()._stored(sha256, labels, thumbnails))

    def _metrics(self, count):
        return evil_texts(super()._metrics(count))

    def _version(self, model, number):
        return evil_texts(super()._version(model, number))

    def _model(self, name, default=0):
        return evil_texts(super()._model(name, default))

    def _dataset(self, name):
        return evil_texts(super()._dataset(name))

    def _known(self, resource, name, context):
        return name

    def Explain(self, request, context):
        return evil_texts(super().Explain(request, context))

    def ReviewExamples(self, request, context):
        return evil_texts(super().ReviewExamples(request, context))

    def Similar(self, request, context):
        return evil_texts(super().Similar(request, context))

    def MapExamples(self, request, context):
        return map(evil_texts, super().MapExamples(request, context))

    def GetHead(self, request, context):
        return evil_texts(super().GetHead(request, context))

    def Train(self, request, context):
        return map(evil_texts, super().Train(request, context))

    def Evaluate(self, request_iterator, context):
        for response in super().Evaluate(request_iterator, context):
            if response.HasField("evaluation"):
                response.evaluation.unknown_labels.add(label=EVIL, example_count=1)
                response.evaluation.near_duplicates.add(id=EVIL, training_id=EVIL, training_label=EVIL)
                response.evaluation.near_duplicate_count = 1
            for result in response.progress.results:
                result.predicted.label = EVIL
            yield response


@pytest.fixture
def fake() -> FakeClassifier:
    return Hostile()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outer" / "here"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.new("RGB", (80, 60), (128, 128, 128)).save(path)
    return path


def controls(text: str) -> set[str]:
    """Return the characters of an output that would do anything but be seen."""
    return {
        character
        for character in text.replace("\n", "")
        if ord(character) < 32 or 127 <= ord(character) < 160 or character in "\u2028\u2029\u202e"
    }


COMMANDS: list[list[str]] = [
    ["add", "TSV"],
    ["train", "TSV"],
    ["evaluate", "TSV"],
    ["predict", "IMAGE", "--top-k", "2"],
    ["explain", "PHOTO"],
    ["report"],
    ["review"],
    ["pool", "add", "IMAGE"],
    ["pool", "add", "BAD"],
    ["pool", "list"],
    ["next"],
    ["label", "waits.jpg", "--to", "dog"],
    ["label", "waits.jpg", "--to-pool"],
    ["relabel", "cat0.jpg", "--to", "dog"],
    ["remove", "cat0.jpg", "--yes"],
    ["compare", "a:1", "b:2"],
    ["rollback"],
    ["export", "--to", "head.npz"],
    ["models"],
    ["models", "show", "default"],
    ["models", "set-default", "default", "2"],
    ["datasets"],
    ["datasets", "show", "default"],
    ["datasets", "show", "default", "--examples"],
    ["status"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_no_control_character_is_printed(
    run: Run, fake: FakeClassifier, photos: Photos, photo: Path, command: list[str], as_json: bool
) -> None:
    fake.models = ["default", "other"]
    for number, labels in enumerate((["cat"], ["cat", "dog"])):
        sha256 = bytes([number]) * 32
        fake.store[sha256], fake.names[sha256] = labels, f"cat{number}.jpg"
    fake.pool[bytes([9]) * 32], fake.names[bytes([9]) * 32] = "cat", "waits.jpg"
    fake.stale = {bytes([1]) * 32}
    broken = photos.folder / "bad.jpg"
    broken.write_bytes(b"bad")
    known = {"TSV": photos.tsv, "IMAGE": photos.folder / "cat" / "cat0.jpg", "PHOTO": photo, "BAD": broken}
    result = run(*(known.get(word, word) for word in command), *["--json"] * as_json)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert controls(result.stderr) == set()
    assert "\nError: forged" not in result.stderr
    if as_json:  # the texts as they are, in JSON's own escapes
        assert all(json.loads(line) for line in result.stdout.splitlines())
        assert "\x1b" not in result.stdout
    else:
        assert controls(result.stdout) == set()
        assert "\nError: forged" not in result.stdout


def test_a_message_of_several_lines_stays_one(run: Run, fake: FakeClassifier) -> None:
    fake.script["ListModels"] = [InvalidFieldError("page_size", "Bad.\nError: forged\x1b[2J")]
    result = run("models")
    assert result.exit_code == 2
    assert result.stderr == "Error: Bad.\\nError: forged\\x1b[2J\n"


class Elsewhere(Reviewed):
    """Calls its model as a file is called that lies outside of where it may write."""

    named = "../outside/evil"

    def _version(self, model, number):
        version = super()._version(model, number)
        version.model = self.named
        return version

    def _known(self, resource, name, context):
        return name


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "sub/evil", "..", "a\0b", "-o", ""])
def test_the_server_does_not_say_where_a_report_goes(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str, make_run: Any
) -> None:
    fake = Elsewhere()
    fake.named = name
    (here / "sub").mkdir()
    result = make_run(fake)("report")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in here.rglob("*") if path.is_file()) == ["default-1.html"]
    assert [path.name for path in here.parent.iterdir()] == ["here"]


def test_a_name_that_is_no_file_name_needs_a_file(here: Path, make_run: Any) -> None:
    fake = Elsewhere(models=["default", "../evil"])
    result = make_run(fake)("report", "../evil")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "Error: `../evil` cannot be part of a file's name; name the file with -o."
    assert fake.calls == []
    assert make_run(fake)("report", "../evil", "-o", "evil.html").exit_code == 0
    assert [path.name for path in here.iterdir()] == ["evil.html"]


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) print\n%%EOF\n"


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gs` that notes that it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "called"


def test_no_thumbnail_starts_ghostscript(tmp_path: Path, here: Path, make_run: Any, ghostscript: Path) -> None:
    fake = Reviewed()
    fake.thumbnails = (EPS,)
    # In a process of its own: Pillow remembers whether there is a Ghostscript.
    done = make_run(fake).outside("report")
    assert done.returncode == 0, done.stderr
    assert not ghostscript.exists()
    assert 'alt="where in it' not in (here / "default-1.html").read_text("utf-8")


def test_no_photo_starts_ghostscript(tmp_path: Path, here: Path, make_run: Any, ghostscript: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(EPS)
    done = make_run(FakeClassifier()).outside("explain", str(tmp_path / "photo.jpg"))
    assert not ghostscript.exists()
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: `{tmp_path / 'photo.jpg'}` cannot be drawn over: it is no intact")
    assert len(done.stderr.splitlines()) == 1
    assert list(here.iterdir()) == []


def bomb(side: int) -> bytes:
    import io

    stream = io.BytesIO()
    Image.new("1", (side, side)).save(stream, "PNG")
    return stream.getvalue()


def test_a_thumbnail_is_small(here: Path, make_run: Any) -> None:
    fake = Reviewed()
    fake.thumbnails = (bomb(15_000),)
    done = make_run(fake).outside("report")
    assert (done.returncode, "Traceback" in done.stderr, "Warning" in done.stderr) == (0, False, False), done.stderr
    assert 'alt="where in it' not in (here / "default-1.html").read_text("utf-8")


class Wrong(Reviewed):
    """Sends numbers that contradict each other."""

    def __init__(self, **wrong: Any) -> None:
        super().__init__()
        self.wrong = wrong

    def _metrics(self, count):
        metrics = super()._metrics(count)
        for name, value in self.wrong.items():
            if name == "reliability":
                metrics.reliability[0].example_count = value
            elif name == "confusion_matrix":
                metrics.confusion_matrix[:] = value
            elif name in ("precision", "recall", "class_count"):
                setattr(metrics.classes[0], "example_count" if name == "class_count" else name, value)
            elif hasattr(metrics, name):
                setattr(metrics, name, value)
        return metrics

    def _version(self, model, number):
        version = super()._version(model, number)
        if "seconds" in self.wrong:
            version.create_time.seconds = self.wrong["seconds"]
        return version

    def _predictions(self, request):
        response = super()._predictions(request)
        for result in response.results:
            if "scores" in self.wrong:
                del result.prediction.scores[:]
        return response

    def Explain(self, request, context):
        explanation = super().Explain(request, context)
        if "region" in self.wrong:
            explanation.region.CopyFrom(types_pb2.ImageRegion(left=-1e6, top=0, right=1e6, bottom=1))
        if "width" in self.wrong:
            explanation.width = self.wrong["width"]
        return explanation

    def NextExamples(self, request, context):
        response = super().NextExamples(request, context)
        entry = response.examples.add(example=self._stored(bytes(32), []))
        entry.scores.add(label="cat", score=self.wrong.get("guess", 0.5))
        response.pool_count = self.wrong.get("pool_count", 1)
        return response

    def GetHead(self, request, context):
        head = super().GetHead(request, context)
        if "dimension" in self.wrong:
            head.taps[0].dimension, head.taps[1].dimension = -1, 4
        return head


def test_a_bin_of_no_predictions_is_not_drawn(make_run: Any, here: Path) -> None:
    assert make_run(Wrong(reliability=0))("report").exit_code == 0


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (["report"], {"micro_accuracy": NAN}),
        (["report"], {"precision": 1e300}),
        (["report"], {"recall": -5.0}),
        (["report"], {"class_count": -3}),
        (["evaluate", "TSV"], {"confusion_matrix": [1, 2, 3]}),
        (["evaluate", "TSV"], {"micro_accuracy": float("inf")}),
        (["models", "show", "default"], {"seconds": 10**15}),
        (["compare", "default:1", "default:2"], {"log_loss": NAN}),
        (["predict", "IMAGE"], {"scores": None}),
        (["explain", "PHOTO"], {"region": None}),
        (["explain", "PHOTO"], {"width": 0}),
        (["export", "--to", "head.npz"], {"dimension": None}),
        (["next"], {"guess": NAN}),
        (["next"], {"guess": 7.0}),
        (["next"], {"pool_count": -1}),
        (["export", "--to", "head.onnx"], {"dimension": None}),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else str(value),
)
def test_numbers_that_make_no_sense_are_an_error_of_the_server(
    make_run: Any, photos: Photos, photo: Path, command: list[str], wrong: dict[str, Any], here: Path
) -> None:
    known = {"TSV": photos.tsv, "IMAGE": photos.folder / "cat" / "cat0.jpg", "PHOTO": photo}
    result = make_run(Wrong(**wrong))(*(known.get(word, word) for word in command))
    assert result.exit_code == 3, result.output
    assert result.stderr.splitlines()[-1].startswith("Error: The server sent ")
    assert list(here.iterdir()) == []
