"""`client report` against a scripted classifier: what it asks for, what it writes, and what goes wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastlayer.classifier.domain.errors import NotExplainableError, StoreCorruptError
from lastlayer.v1 import classifier_pb2
from tests.integration.client.conftest import Run
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.unit.client.report.samples import photo


class Reviewed(FakeClassifier):
    """Has three examples that are worth a look, whichever kind is asked for: one of them without a thumbnail."""

    thumbnails: tuple[bytes, ...] = (photo(0), photo(1), b"")

    def ReviewExamples(self, request, context):
        self._begin("ReviewExamples", context, request)
        response = classifier_pb2.ReviewExamplesResponse(total_count=7)
        for number, thumbnail in enumerate(self.thumbnails):
            response.examples.add(
                example=classifier_pb2.StoredExample(
                    id=f"<b>{number}</b>.jpg", content_sha256=bytes([number]) * 32, labels=["cat"], thumbnail=thumbnail
                ),
                label="cat",
                label_probability=0.125,
                suggested_label="dog",
                suggested_probability=0.875,
            )
        return response


@pytest.fixture
def fake() -> FakeClassifier:
    return Reviewed()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_report(run: Run, fake: FakeClassifier, here: Path) -> None:
    result = run("report")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Written: default-1.html (")
    assert [path.name for path in here.iterdir()] == ["default-1.html"]
    page = (here / "default-1.html").read_text("utf-8")
    assert page.count("data:image/jpeg") == 10  # two kinds, of two examples thumbnail and map; two in a cell
    assert 'id="confusion-photos-0-1"' in page
    assert "&lt;b&gt;2&lt;/b&gt;.jpg" in page
    assert "The worst 3 of 7 are shown." in page
    assert "The class dog has few examples." in page
    assert {request.kind for request in fake.messages("ReviewExamples")} == {1, 2}
    assert all(request.thumbnails and request.version == 1 for request in fake.messages("ReviewExamples"))
    # Each thumbnail is explained once, as what it was taken for.
    explained = fake.messages("Explain")
    assert [request.image.content for request in explained] == [photo(0), photo(1)]
    assert {(request.model, request.version, request.label) for request in explained} == {("default", 1, "dog")}


def test_a_version_and_a_name(run: Run, fake: FakeClassifier, here: Path) -> None:
    result = run("report", "default", "--version", "4", "-o", "a.html", "--json")
    assert result.exit_code == 0, result.output
    size = (here / "a.html").stat().st_size
    assert json.loads(result.stdout) == {"model": "default", "version": 4, "report": "a.html", "bytes": size}
    assert {request.version for request in fake.messages("Explain")} == {4}


def test_a_version_that_cannot_be_explained(run: Run, fake: FakeClassifier, here: Path) -> None:
    fake.script = {"Explain": [NotExplainableError("It was trained on class scores.")]}
    assert run("report").exit_code == 0
    page = (here / "default-1.html").read_text("utf-8")
    assert "There are no activation maps: It was trained on class scores." in page
    assert page.count("data:image/jpeg") == 6
    assert fake.count("Explain") == 1


def test_thumbnails_that_are_no_pictures(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Reviewed()
    fake.thumbnails = (b"bad", b"not a picture either", photo(3))
    with running(fake) as address:
        monkeypatch.setenv("LASTLAYER_SERVER", address)
        command = [sys.executable, "-m", "lastlayer.client", "report"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (here / "default-1.html").read_text("utf-8").count('alt="where in it') == 2


def test_nothing_was_validated(run: Run, fake: FakeClassifier, here: Path) -> None:
    fake.cross_validated = False
    assert run("report").exit_code == 0
    assert "is not known" in (here / "default-1.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nosuch"], "Error: There is no model `nosuch`."),
        (["-o", "nosuch/a.html"], "Error: There is no folder `nosuch` to write `a.html` in."),
        (["-o", "."], "Error: `.` is a folder; name a file with -o, such as report.html."),
    ],
)
def test_what_is_wrong(run: Run, here: Path, arguments: list[str], sentence: str) -> None:
    result = run("report", *arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == sentence
    assert list(here.iterdir()) == []


def test_a_server_that_fails(run: Run, fake: FakeClassifier, here: Path) -> None:
    fake.script = {"ReviewExamples": [StoreCorruptError("What is stored is damaged.")]}
    result = run("report")
    assert result.exit_code == 3
    assert "Error: What is stored is damaged." in result.stderr
    assert list(here.iterdir()) == []


@pytest.fixture
def address() -> Iterator[str]:
    with running(FakeClassifier()) as bound:
        yield bound


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib", "PIL"])
def test_it_says_what_to_install(address: str, missing: str) -> None:
    program = f"import sys; sys.modules['{missing}'] = None; from lastlayer.client.__main__ import main; main()"
    environment = {**os.environ, "LASTLAYER_SERVER": address}
    command = [sys.executable, "-c", program, "report"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: A report needs Jinja, Matplotlib and Pillow, which are not all installed")
    assert done.stderr.rstrip().endswith("`pip install 'lastlayer[report]'` does that.")
