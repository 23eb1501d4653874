"""What people get wrong on the command line: an exit status and one clear sentence for each, never a traceback."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from lastlayer.client.__main__ import main
from tests.e2e.bad_input.conftest import Target
from tests.e2e.bad_input.pictures import noise, saved

pytestmark = pytest.mark.long

WRONG, SOME_FAILED, SERVER_FAILED = 2, 1, 3


class Case(NamedTuple):
    """A command, what lies in its folder, and what it says."""

    name: str
    arguments: Sequence[str]
    status: int
    said: str
    make: Callable[[Path], object] = lambda folder: None


def table(content: str | bytes, name: str = "tags.tsv") -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content

    def make(folder: Path) -> None:
        (folder / name).write_bytes(data)
        (folder / "a.png").write_bytes(saved(noise(), "PNG"))
        (folder / "folder").mkdir()

    return make


def classes(*labels: str, content: bytes = b"<html>") -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        for label in labels:
            (folder / "photos" / label).mkdir(parents=True)
            (folder / "photos" / label / "a.jpg").write_bytes(content)

    return make


def loop(folder: Path) -> None:
    classes("cat", "dog")(folder)
    (folder / "photos/cat/again").symlink_to(folder / "photos")


TRAIN = ("train", "tags.tsv", "--model", "cli")
CASES = [
    Case("no such data", ("train", "missing"), WRONG, "missing"),
    Case("empty table", TRAIN, WRONG, "tags.tsv", table("")),
    Case("one column", TRAIN, WRONG, "tags.tsv, line 1", table("a.png\n")),
    Case("no label", TRAIN, WRONG, "line 1", table("a.png\t\n")),
    Case("missing file", TRAIN, WRONG, "b.png", table("a.png\tcat\nb.png\tdog\n")),
    Case("a directory as a file", TRAIN, WRONG, "folder", table("a.png\tcat\nfolder\tdog\n")),
    Case("Latin-1", TRAIN, WRONG, "UTF-8", table("a.png\tgroß\n".encode("latin-1"))),
    Case("UTF-16", TRAIN, WRONG, "UTF-8", table("a.png\tcat\n".encode("utf-16"))),
    Case("binary", TRAIN, WRONG, "tags.tsv", table(bytes(range(256)) * 10)),
    Case("NUL", TRAIN, WRONG, "tags.tsv", table("a.png\0\tcat\n")),
    Case("a photo for a table", ("train", "a.png"), WRONG, "a.png", table("")),
    Case("control characters in a label", TRAIN, WRONG, "label", table("a.png\tca\x1b[31mt\na.png\tdog\n")),
    Case("a label of a megabyte", TRAIN, WRONG, "characters", table(f"a.png\t{'x' * 1_000_000}\n")),
    Case("BOM, CRLF and one class", TRAIN, WRONG, "class", table("\ufeffa.png\tcat\r\n")),
    Case("an empty folder", ("train", "folder"), WRONG, "folder", table("")),
    Case("folders of no images", ("train", "photos", "--model", "html"), WRONG, "HTML", classes("cat", "dog")),
    Case("a circle of links", ("train", "photos", "--model", "loop"), WRONG, "HTML", loop),
    Case("a bad model name", ("train", "tags.tsv", "--model", "../x"), WRONG, "is `../x`; 1", table("a.png\tcat\n")),
    Case("no such image", ("predict", "missing.jpg"), SOME_FAILED, "missing.jpg"),
    Case("a directory as an image", ("predict", "folder"), SOME_FAILED, "folder", table("")),
    Case("a table as an image", ("predict", "tags.tsv"), SOME_FAILED, "tags.tsv", table("a.png\tcat\n")),
    Case("no such model", ("predict", "a.png", "--model", "none"), WRONG, "There is no model `none`", table("")),
    Case("no such version", ("predict", "a.png", "--version", "99"), WRONG, "default:99", table("")),
    Case("version 0", ("predict", "a.png", "--version", "0"), WRONG, "--version", table("")),
    Case("a negative timeout", ("predict", "a.png", "--timeout", "-1"), WRONG, "--timeout", table("")),
    Case("NaN for a timeout", ("predict", "a.png", "--timeout", "nan"), WRONG, "nan", table("")),
    Case("no server's address", ("models", "list", "--server", "nonsense"), WRONG, "HOST:PORT"),
    Case("nobody there", ("models", "list", "--server", "127.0.0.1:9"), SERVER_FAILED, "cannot be reached"),
    Case("NaN for a precision", (*TRAIN, "--min-precision", "nan"), WRONG, "nan", table("a.png\tcat\na.png\tdog\n")),
    Case("an unknown recipe", (*TRAIN, "--recipe", "magic"), WRONG, "--recipe", table("a.png\tcat\n")),
    Case("an odd sha256", ("relabel", "abcdef012", "--to", "x"), WRONG, "odd number"),
    Case("no such example", ("remove", "nobody.jpg", "--yes"), WRONG, "`nobody.jpg` is no example"),
    Case("an unknown ending", ("export", "default", "--to", "head.pkl"), WRONG, ".onnx or .npz"),
    Case("a folder that is not there", ("export", "default", "--to", "no/head.npz"), WRONG, "no/head.npz"),
    Case("a version that is none", ("compare", "default:x", "default:1"), WRONG, "default:x"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_sentence_and_the_status(
    case: Case, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    # In this process: to start one for each takes most of the time, and adds nothing to what is said.
    done = CliRunner().invoke(main, case.arguments, env={"LASTLAYER_SERVER": target.classifier.address})
    said = done.stderr + done.stdout
    assert (done.exit_code, case.said in said) == (case.status, True), (said[-2000:], done.exception)
    assert isinstance(done.exception, SystemExit)  # no error of ours got through
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert len(said) < 5000
