"""Pipes, devices, closed streams and Ctrl-C at odd moments: one sentence, the right exit status, never a traceback."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.integration.client.conftest import Photos
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.integration.client.test_report import Reviewed

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name != "posix", reason="pipes, devices and signals are those of POSIX"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.new("RGB", (80, 60), (128, 128, 128)).save(path)
    return path


def shell(address: str, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash, in which `client` is the command line against a server."""
    function = f'client() {{ "{sys.executable}" -m lastlayer.client "$@"; }}'
    return subprocess.run(
        ["bash", "-c", f"{function}\n{script}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "LASTLAYER_SERVER": address},
    )


class TestPipes:
    @pytest.mark.parametrize("command", ["predict", "explain", "train"])
    def test_a_pipe_that_nobody_writes_to(self, make_run: Any, tmp_path: Path, command: str) -> None:
        pipe = tmp_path / "pipe.jpg"
        os.mkfifo(pipe)
        done = make_run(FakeClassifier()).outside(command, pipe, timeout=60)
        assert done.returncode == (1 if command == "predict" else 2)
        assert f"`{pipe}` cannot be read: nobody writes to this pipe." in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_a_pipe_with_a_writer_is_read(self, server: str, photos: Photos) -> None:
        done = shell(
            server, f"client predict <(sleep 0.2; printf cat-1) && client train <(cat {photos.tsv}) --images .."
        )
        assert done.returncode == 0, done.stderr
        assert "predicted as: cat" in done.stdout
        assert "4 added" in done.stdout

    def test_a_table_that_is_a_device(self, make_run: Any) -> None:
        done = make_run(FakeClassifier()).outside("train", "/dev/zero")
        assert (done.returncode, done.stderr) == (
            2,
            "Error: `/dev/zero` is no text; give a TSV or CSV file of path and label, in UTF-8.\n",
        )


class TestClosedStreams:
    def test_input(self, server: str) -> None:
        done = shell(server, "client predict - <&-")
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == (
            "Error: Standard input (-) is closed; give an image by its path, or pipe it in."
        )
        done = shell(server, "client models delete default <&-")
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == "Error: Deleting needs --yes where nobody can be asked."

    @pytest.mark.parametrize("command", ["models", "predict a.jpg", "status --json"])
    def test_output(self, server: str, here: Path, command: str) -> None:
        (here / "a.jpg").write_text("cat-1")
        done = shell(server, f"client {command} >&-")
        assert (done.returncode, done.stderr) == (
            2,
            "Error: Standard output is closed; send it to a file or to /dev/null.\n",
        )

    @pytest.mark.parametrize("command", ["models", "train photos", "nonsense", "models show none"])
    def test_errors(self, server: str, photos: Photos, here: Path, command: str) -> None:
        (here / "photos").symlink_to(photos.folder)
        done = shell(server, f"client {command} 2>&-")
        assert done.returncode == (2 if "non" in command else 0)
        assert done.stderr == ""

    @pytest.mark.parametrize("command", ["models", "models --json", "--help", "predict a.jpg"])
    def test_a_full_disk(self, server: str, here: Path, command: str) -> None:
        (here / "a.jpg").write_text("cat-1")
        done = shell(server, f"client {command} > /dev/full")
        assert (done.returncode, done.stderr) == (
            2,
            "Error: Standard output cannot be written: No space left on device.\n",
        )

    @pytest.mark.parametrize("command", ["models", "models --json", "predict a.jpg", "--help"])
    def test_whoever_reads_goes_away(self, server: str, here: Path, command: str) -> None:
        (here / "a.jpg").write_text("cat-1")
        done = shell(server, f"(sleep 0.2; client {command}) | true; echo ${{PIPESTATUS[0]}}")
        assert (done.stdout, done.stderr) == ("141\n", "")


class TestWhereFilesGo:
    def test_a_device_is_not_replaced(self, make_run: Any) -> None:
        before = Path("/dev/full").stat()
        done = make_run(Reviewed()).outside("report", "-o", "/dev/full")
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == "Error: `/dev/full` cannot be written: No space left on device."
        after = Path("/dev/full").stat()
        assert (after.st_rdev, after.st_ino, after.st_mode) == (before.st_rdev, before.st_ino, before.st_mode)

    @pytest.mark.parametrize(
        ("command", "name"), [("report -o", "page.html"), ("explain PHOTO -o", "a.png"), ("export --to", "head.npz")]
    )
    def test_pipes_and_links_are_written_into(self, photo: Path, here: Path, command: str, name: str) -> None:
        with running(Reviewed()) as address:
            line = f"client {command.replace('PHOTO', str(photo))} {name}"
            done = shell(address, f"mkfifo {name}; cat {name} > copy & {line}; status=$?; wait; exit $status")
            assert done.returncode == 0, done.stderr
            assert (here / name).is_fifo()
            assert (here / "copy").stat().st_size > 100
            (here / name).unlink()
            (here / name).symlink_to(here / "kept")
            (here / "kept").write_text("old")
            assert shell(address, line).returncode == 0
        assert (here / name).is_symlink()
        assert (here / "kept").stat().st_size > 100
        assert sorted(path.name for path in here.iterdir()) == sorted([name, "copy", "kept"])


def test_a_hundred_thousand_bad_lines_are_ten_and_a_count(make_run: Any, here: Path) -> None:
    (here / "tags.tsv").write_text("".join(f"{number}.jpg\n" for number in range(100_000)))
    done = make_run(FakeClassifier()).outside("train", "tags.tsv")
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (2, 11)
    assert lines[9].startswith("Error: tags.tsv, line 10: there is no label")
    assert lines[10] == "Error: 99,990 more like these."


def test_many_missing_images_are_ten_and_a_count(make_run: Any, here: Path) -> None:
    (here / "tags.tsv").write_text("".join(f"{number}.jpg\tcat\n" for number in range(1_000)))
    done = make_run(FakeClassifier()).outside("add", "tags.tsv")
    failed = [line for line in done.stderr.splitlines() if line.startswith("Failed: ")]
    assert (done.returncode, len(failed)) == (1, 11)
    assert failed[10] == "Failed: 990 more; --json lists all of them."


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("report", "click"),
        ("report", "lastlayer.client.commands.report"),
        ("report", "lastlayer.client.api"),
        ("report", "grpc"),
        ("report", "google.protobuf"),
        ("report", "lastlayer.client.report.gather"),
        ("report", "numpy"),
        ("report", "matplotlib"),
        pytest.param("report", "jinja2"),
        ("models", "rich.console"),
        ("models", "lastlayer.client.output.results"),
        ("export --to head.npz", "lastlayer.client.export.npz"),
    ],
)
def test_interrupted_while_importing(command: str, module: str) -> None:
    program = (
        "import os, runpy, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # as in a terminal
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder)\n"
        f"sys.argv[1:] = {command.split()!r}\n"
        "runpy.run_module('lastlayer.client', run_name='__main__', alter_sys=True)\n"
    )
    with running(Reviewed()) as address:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "LASTLAYER_SERVER": address},
        )
    said = [line for line in done.stderr.splitlines() if line and not line.startswith("Report: ")]
    assert (done.returncode, said) == (130, ["Interrupted."])
