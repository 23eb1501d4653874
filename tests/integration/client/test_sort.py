"""`client sort` against a scripted classifier: what is shown, done, told and taken back."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from rich.cells import cell_len

from lastlayer.client.__main__ import main
from tests.integration.client.conftest import Run, Runner
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.client.fake_classifier.scripted import Broken, Hang
from tests.programs import WAIT_S, until


def tree(folder: Path) -> dict[str, str]:
    """Return what all files below a folder have in them, hidden ones as well."""
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Photos of two classes in a folder and below it, one that is none, a text, a hidden file and a link."""
    folder = tmp_path / "inbox"
    (folder / "trip").mkdir(parents=True)
    for name, content in (
        ("a.jpg", "cat-1"),
        ("b.jpg", "dog-1"),
        ("trip/a.jpg", "cat-2"),
        ("trip/c.JPG", "dog-2"),
        ("trip/broken.png", "bad"),
        ("notes.txt", "text"),
        (".hidden.jpg", "cat-9"),
    ):
        (folder / name).write_text(content)
        os.utime(folder / name, ns=(10**18, 10**18 + 123456789))
    (tmp_path / "elsewhere.jpg").write_text("cat-7")
    (folder / "link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    return folder


SORTED = {"cat/a.jpg": "cat-1", "cat/a-2.jpg": "cat-2", "dog/b.jpg": "dog-1", "dog/c.JPG": "dog-2"}


def photos_in(out: Path) -> dict[str, str]:
    return {name: content for name, content in tree(out).items() if "/" in name}


def test_a_preview_shows_and_does_nothing(run: Run, inbox: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    done = run("sort", inbox, "--into", tmp_path / "out")
    assert done.exit_code == 1
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "class  folder  photos",
        "cat    cat/         2",
        "dog    dog/         2",
        "photo       goes to       score",
        "a.jpg       cat/a.jpg    0.7500",
        "b.jpg       dog/b.jpg    0.7500",
        "trip/a.jpg  cat/a-2.jpg  0.7500",
        "trip/c.JPG  dog/c.JPG    0.7500",
        "Version 1 of model default: 4 to be copied, 1 failed",
        "Nothing is done yet: add --yes to do it.",
    ]
    assert "Failed: trip/broken.png: The bytes are no image of a supported format." in done.stderr
    assert "Note: 1 file is no image, and stays as it is: notes.txt\n" in done.stderr
    assert "Note: 1 is a link, and stays as it is: link.jpg\n" in done.stderr
    assert tree(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_copies_and_back(run: Run, inbox: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    out = tmp_path / "out"
    done = run("sort", inbox, "--into", out, "--yes")
    assert done.exit_code == 1, done.output
    assert "Version 1 of model default: 4 copied, 1 failed\n" in done.stdout
    assert f"To take it back: client sort --undo {out}\n" in done.stdout
    assert photos_in(out) == SORTED
    assert (out / "cat/a.jpg").stat().st_mtime_ns == 10**18 + 123456789
    assert tree(inbox) == {name[6:]: content for name, content in before.items() if name.startswith("inbox/")}
    rows = [line.split("\t") for line in (out / "scores.tsv").read_text().splitlines()]
    assert rows[0] == ["path", "target", "class", "probability", "rejected", "sha256"]
    sha256 = hashlib.sha256(b"cat-1").hexdigest()
    assert rows[1] == [str(inbox / "a.jpg"), "cat/a.jpg", "cat", "0.750000", "false", sha256]
    assert len(rows) == 5
    undone = run("sort", "--undo", out)
    assert (undone.exit_code, undone.stdout) == (0, f"{out}: 4 copies deleted\n")
    assert tree(tmp_path) == before
    assert not out.exists()
    again = run("sort", "--undo", out)
    assert again.exit_code == 2
    assert again.stderr == f"Error: Nothing was sorted into `{out}`, or it was taken back already.\n"


def test_moves_and_back(run: Run, inbox: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    out = inbox / "sorted"
    assert run("sort", inbox, "--into", out, "--yes", "--move").exit_code == 1
    assert photos_in(out) == SORTED
    assert sorted(tree(inbox)) == sorted(
        [".hidden.jpg", "link.jpg", "notes.txt", "trip/broken.png", "sorted/.lastlayer-sort.jsonl", "sorted/scores.tsv"]
        + [f"sorted/{name}" for name in SORTED]
    )
    undone = run("sort", "--undo", out)
    assert (undone.exit_code, undone.stdout) == (0, f"{out}: 4 photos moved back\n")
    assert tree(tmp_path) == before
    assert (inbox / "a.jpg").stat().st_mtime_ns == 10**18 + 123456789


def test_the_same_command_again_does_nothing_and_new_photos_are_added(
    run: Run, inbox: Path, tmp_path: Path, fake: FakeClassifier
) -> None:
    out = tmp_path / "out"
    command = ("sort", inbox, "--into", out, "--yes")
    run(*command)
    (inbox / "trip/broken.png").unlink()
    fake.calls.clear()
    done = run(*command)
    assert "0 copied, 4 sorted before\n" in done.stdout
    assert not fake.messages("PredictStream")
    (inbox / "new.jpg").write_text("dog-3")
    (inbox / "a.jpg").write_text("dog-4")  # it shows another one now
    assert "0 photos" not in run("sort", inbox, "--into", out).stdout
    done = run(*command)
    assert "2 copied, 3 sorted before\n" in done.stdout
    assert photos_in(out) == {**SORTED, "dog/new.jpg": "dog-3", "dog/a.jpg": "dog-4"}
    assert len((out / "scores.tsv").read_text().splitlines()) == 7
    assert not (out / "scores-2.tsv").exists()


def test_nothing_is_overwritten(run: Run, inbox: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name, content in (("cat/a.jpg", "mine"), ("cat/a-2.jpg", "mine"), ("scores.tsv", "mine"), ("dog", "mine")):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(content)
    before = tree(tmp_path)
    done = run("sort", inbox, "--into", out, "--yes")
    assert "Note: the class `dog` goes to the folder `dog-2`.\n" in done.stderr
    assert photos_in(out) == {
        "cat/a.jpg": "mine", "cat/a-2.jpg": "mine", "cat/a-3.jpg": "cat-1", "cat/a-4.jpg": "cat-2",
        "dog-2/b.jpg": "dog-1", "dog-2/c.JPG": "dog-2",
    }  # fmt: skip
    assert (out / "scores.tsv").read_text() == "mine"
    assert (out / "scores-2.tsv").read_text().startswith("path\t")
    assert run("sort", "--undo", out).exit_code == 0
    assert tree(tmp_path) == before


@pytest.mark.parametrize("move", [False, True], ids=["copy", "move"])
def test_the_same_photo_of_the_same_name_is_noticed(run: Run, tmp_path: Path, move: bool) -> None:
    for part in ("x", "y", "z"):
        (tmp_path / "inbox" / part).mkdir(parents=True)
        (tmp_path / "inbox" / part / "a.jpg").write_text("cat-1" if part != "z" else "cat-2")
    out = tmp_path / "out"
    (out / "cat").mkdir(parents=True)
    (out / "cat/a.jpg").write_text("cat-2")  # which is there before
    options = ["--move"] if move else []
    shown = run("sort", tmp_path / "inbox", "--into", out, *options)
    assert ("1 to be moved" if move else "1 to be copied") + ", 2 there already\n" in shown.stdout
    done = run("sort", tmp_path / "inbox", "--into", out, "--yes", *options)
    assert ("1 moved" if move else "1 copied") + ", 2 there already\n" in done.stdout
    assert photos_in(out) == {"cat/a.jpg": "cat-2", "cat/a-2.jpg": "cat-1"}
    assert (tmp_path / "inbox/y/a.jpg").exists()
    assert (tmp_path / "inbox/x/a.jpg").exists() is not move
    assert len((out / "scores.tsv").read_text().splitlines()) == 4
    assert run("sort", "--undo", out).exit_code == 0
    assert photos_in(out) == {"cat/a.jpg": "cat-2"}
    assert len(tree(tmp_path / "inbox")) == 3


def test_what_the_model_rejects_is_apart_from_a_class_that_is_called_so(
    make_run: Callable[[FakeClassifier], Runner], tmp_path: Path
) -> None:
    run = make_run(FakeClassifier(classes=("unknown", "..", "a/b", "A/B", "con")))
    (tmp_path / "inbox").mkdir()
    for number, label in enumerate(("unknown", "..", "a/b", "A/B", "con")):
        (tmp_path / "inbox" / f"{number}.jpg").write_text(f"{label}-{number}")
    out = tmp_path / "out"
    done = run("sort", tmp_path / "inbox", "--into", out, "--yes")
    assert done.exit_code == 0, done.output
    assert sorted(photos_in(out)) == ["A_B-2/3.jpg", "__/1.jpg", "_con/4.jpg", "a_b/2.jpg", "unknown-2/0.jpg"]
    assert "Note: the class `unknown` goes to the folder `unknown-2`.\n" in done.stderr
    assert run("sort", "--undo", out).exit_code == 0
    shown = run("sort", tmp_path / "inbox", "--into", out, "--threshold", "0.9")
    assert [line.split() for line in shown.stdout.splitlines()][1] == ["(rejected)", "unknown/", "5"]


def test_as_json(run: Run, inbox: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("sort", inbox, "--into", out, "--json", "--yes")
    *lines, summary = map(json.loads, done.stdout.splitlines())
    sha256 = hashlib.sha256(b"cat-1").hexdigest()
    assert lines[0] == {
        "image": "a.jpg", "target": "cat/a.jpg", "label": "cat", "score": 0.75, "rejected": False, "sha256": sha256,
        "same": False,
    }  # fmt: skip
    assert [entry["error"]["reason"] for entry in lines if "error" in entry] == ["IMAGE_UNDECODABLE"]
    assert summary == {
        "into": str(out), "model": "default", "version": 1, "move": False, "done": True,
        "folders": {"cat": 2, "dog": 2}, "same": 0, "sorted_before": 0, "failed": 1, "others": ["notes.txt"],
        "links": ["link.jpg"], "sorted_folders": [],
    }  # fmt: skip
    undone = json.loads(run("sort", "--undo", out, "--json").stdout)
    assert undone == {"out": str(out), "taken_back": 4, "gone": 0, "left": []}


def test_what_was_changed_since_is_left_and_told(run: Run, inbox: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("sort", inbox, "--into", out, "--yes")
    (out / "cat/a.jpg").write_text("mended")
    (out / "dog/b.jpg").unlink()
    (inbox / "trip/c.JPG").unlink()
    (out / "scores.tsv").write_text("annotated")
    undone = run("sort", "--undo", out)
    assert undone.exit_code == 1
    assert undone.stdout == f"{out}: 1 copy deleted, 1 gone already, 3 left\n"
    assert f"Failed: {out}/cat/a.jpg: It is left there: it was changed since.\n" in undone.stderr
    assert f"the photo that it is a copy of, `{inbox}/trip/c.JPG`, was changed since, or is gone.\n" in undone.stderr
    assert photos_in(out) == {"cat/a.jpg": "mended", "dog/c.JPG": "dog-2"}
    assert (out / "scores.tsv").read_text() == "annotated"
    (inbox / "trip/c.JPG").write_text("dog-2")
    (out / "cat/a.jpg").write_text("cat-1")
    (out / "scores.tsv").unlink()
    assert run("sort", "--undo", out).stdout == f"{out}: 2 copies deleted\n"
    assert not out.exists()


def test_a_photo_is_not_moved_back_over_another_one(run: Run, inbox: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("sort", inbox, "--into", out, "--yes", "--move")
    (inbox / "a.jpg").write_text("another")
    (out / "dog/b.jpg").write_text("mended")
    for path in inbox.glob("trip/*"):
        path.unlink()
    (inbox / "trip").rmdir()
    undone = run("sort", "--undo", out)
    assert undone.stdout == f"{out}: 2 photos moved back, 2 left\n"
    assert f"Failed: {out}/cat/a.jpg: It is left there: something else is at `{inbox}/a.jpg` now.\n" in undone.stderr
    assert (inbox / "a.jpg").read_text() == "another"
    assert (inbox / "trip/a.jpg").read_text() == "cat-2"
    assert photos_in(out) == {"cat/a.jpg": "cat-1", "dog/b.jpg": "mended"}
    assert [line.split("\t")[1] for line in (out / "scores.tsv").read_text().splitlines()[1:]] == [
        "cat/a.jpg", "dog/b.jpg",
    ]  # fmt: skip


class TestFaults:
    """Disks that are full, read-only, two, or without hard links; and the end of the program."""

    @pytest.fixture
    def failing(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., contextlib.AbstractContextManager[None]]:
        """Lets a function of `os` fail from one of its calls on, while the block lasts."""

        @contextlib.contextmanager
        def script(name: str, number: int, after: int = 0) -> Iterator[None]:
            real, calls = getattr(os, name), itertools.count()

            def failing(*arguments: Any, **options: Any) -> Any:
                if next(calls) >= after:
                    raise OSError(number, os.strerror(number))
                return real(*arguments, **options)

            with monkeypatch.context() as patch:
                patch.setattr(os, name, failing)
                yield

        return script

    @pytest.mark.parametrize("move", [False, True], ids=["copy", "move"])
    @pytest.mark.parametrize(("name", "after"), [("fsync", 4), ("fsync", 5), ("link", 1), ("mkdir", 2), ("write", 6)])
    def test_a_full_disk(
        self, run: Run, inbox: Path, tmp_path: Path, failing: Any, move: bool, name: str, after: int
    ) -> None:
        before, out = tree(tmp_path), tmp_path / "out"
        command = ["sort", inbox, "--into", out, "--yes", *["--move"] * move]
        with failing(name, errno.ENOSPC, after):
            done = run(*command)
        assert done.exit_code == 2
        assert done.stderr.splitlines()[-1] == (
            f"Error: `{out}` cannot be written: No space left on device. Nothing is lost: run the same command again to"
            f" go on when it can be written, or take back what was done by `client sort --undo {out}`."
        )
        assert len(photos_in(out)) < 4
        assert not list(out.rglob(".unfinished-*"))
        there = set(tree(inbox).values()) | set(photos_in(out).values())
        assert {content for path, content in before.items() if path.startswith("inbox/")} <= there
        assert run(*command).exit_code == 1
        assert photos_in(out) == SORTED
        assert run("sort", "--undo", out).exit_code == 0
        assert tree(tmp_path) == before

    def test_a_folder_that_cannot_be_written(self, run: Run, inbox: Path, tmp_path: Path, failing: Any) -> None:
        before, out = tree(tmp_path), tmp_path / "out"
        with failing("mkdir", errno.EROFS):
            done = run("sort", inbox, "--into", out, "--yes")
        assert done.exit_code == 2
        assert done.stderr == f"Error: `{out}` cannot be written: Read-only file system.\n"
        done = run("sort", inbox, "--into", tmp_path / "no" / "out", "--yes")
        assert done.stderr == f"Error: There is no folder `{tmp_path}/no` to make `out` in; make it first.\n"
        assert tree(tmp_path) == before
        assert run("sort", inbox, "--into", out, "--yes").exit_code == 1
        with failing("unlink", errno.EROFS):
            undone = run("sort", "--undo", out)
        assert undone.exit_code == 2
        assert "cannot be written: Read-only file system. What is left is taken back when you run" in undone.stderr
        assert photos_in(out) == SORTED
        assert run("sort", "--undo", out).exit_code == 0
        assert tree(tmp_path) == before

    def test_photos_that_cannot_be_moved_away(self, run: Run, inbox: Path, tmp_path: Path, failing: Any) -> None:
        before, out = tree(inbox), tmp_path / "out"
        real = os.unlink

        def unlink(path: Path, **options: Any) -> None:
            if "inbox" in Path(path).parts:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            real(path, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "unlink", unlink)
            done = run("sort", inbox, "--into", out, "--yes", "--move")
        assert "0 moved, 5 failed\n" in done.stdout
        assert "Failed: a.jpg: The image is left where it is: it cannot be moved: Permission denied.\n" in done.stderr
        assert tree(inbox) == before
        assert photos_in(out) == {}

    @pytest.mark.parametrize("disk", [errno.EXDEV, errno.EPERM], ids=["another device", "no hard links"])
    @pytest.mark.parametrize("move", [False, True], ids=["copy", "move"])
    def test_other_disks(
        self, run: Run, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: int, move: bool
    ) -> None:
        real = os.link

        def link(source: Path, target: Path) -> None:
            if disk == errno.EPERM or ("inbox" in source.parts) != ("inbox" in target.parts):
                raise OSError(disk, os.strerror(disk))
            real(source, target)

        monkeypatch.setattr(os, "link", link)
        before, out = tree(tmp_path), tmp_path / "out"
        (inbox / "a.jpg").chmod(0o640)
        assert run("sort", inbox, "--into", out, "--yes", *["--move"] * move).exit_code == 1
        assert photos_in(out) == SORTED
        assert (inbox / "a.jpg").exists() is not move
        state = (out / "cat/a.jpg").stat()
        assert (state.st_mtime_ns, state.st_mode & 0o777) == (10**18 + 123456789, 0o640)
        assert run("sort", "--undo", out).exit_code == 0
        assert tree(tmp_path) == before
        assert (inbox / "a.jpg").stat().st_mtime_ns == 10**18 + 123456789

    def test_killed_in_the_middle(self, tmp_path: Path, make_run: Callable[[FakeClassifier], Runner]) -> None:
        """By SIGKILL, while the server is busy with the second message of images; then the command goes on."""
        inbox, out = tmp_path / "inbox", tmp_path / "out"
        inbox.mkdir()
        for number in range(40):
            (inbox / f"{number:02}.jpg").write_text(f"{('cat', 'dog')[number % 2]}-{number}")
        before = tree(tmp_path)
        hang = Hang()
        fake = FakeClassifier(script={"PredictStream": [None, hang]}, break_after={"PredictStream": [1]})
        run = make_run(fake)
        command = [sys.executable, "-m", "lastlayer.client", "sort", str(inbox), "--into", str(out), "--yes", "--move"]
        with subprocess.Popen(command, env={**os.environ, "LASTLAYER_SERVER": run.address}) as process:
            until(lambda: hang.entered.is_set() and len(photos_in(out)) == 16)
            process.kill()
            process.wait(WAIT_S)
        assert len(tree(inbox)) in (24, 25)  # the last one may have both of its names
        done = run("sort", inbox, "--into", out, "--yes", "--move")
        assert done.exit_code == 0, done.output
        assert "24 moved" in done.stdout
        assert sorted(photos_in(out).values()) == sorted(before.values())
        assert len((out / "scores.tsv").read_text().splitlines()) == 41
        assert run("sort", "--undo", out).stdout == f"{out}: 40 photos moved back\n"
        assert tree(tmp_path) == before

    def test_the_server_goes_away(self, tmp_path: Path, make_run: Callable[[FakeClassifier], Runner]) -> None:
        inbox, out = tmp_path / "inbox", tmp_path / "out"
        inbox.mkdir()
        for number in range(40):
            (inbox / f"{number:02}.jpg").write_text(f"cat-{number}")
        fake = FakeClassifier(script={"PredictStream": [None, *[Broken()] * 50]}, break_after={"PredictStream": [1]})
        run = make_run(fake)
        done = run("sort", inbox, "--into", out, "--yes")
        assert done.exit_code == 3
        assert f"Note: what was sorted stays so. Run the same command to go on, or client sort --undo {out}\n" in (
            done.stderr
        )
        assert 0 < len(photos_in(out)) < 40
        fake.script.clear()
        assert run("sort", inbox, "--into", out, "--yes").exit_code == 0
        assert len(photos_in(out)) == 40


class TestWrongUse:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "Give FOLDER and --into OUT, or --undo OUT."),
            (["inbox"], "Give FOLDER and --into OUT, or --undo OUT."),
            (["inbox", "--undo", "out"], "--undo OUT goes without FOLDER."),
            (["--undo", "out", "--move"], "--undo OUT goes without --move."),
            (["nowhere", "--into", "out"], "There is no folder `nowhere`; give the one with the photos to sort."),
            (["empty", "--into", "out"], "There are no images in `empty`, nor in folders below it."),
            (["inbox", "--into", "inbox/."], "`inbox` is the folder with the photos itself; name another one"),
            (["inbox", "--into", "inbox/notes.txt"], "`inbox/notes.txt` cannot be read: Not a directory."),
            (["inbox", "--into", "inbox/notes.txt", "--yes"], "`inbox/notes.txt` cannot be written: File exists."),
            (["inbox", "--into", "out", "--model", "other"], "There is no model `other`."),
        ],
    )
    def test_it_is_a_sentence(
        self, run: Run, inbox: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
    ) -> None:
        monkeypatch.chdir(inbox.parent)
        (inbox.parent / "empty").mkdir()
        before = tree(inbox.parent)
        done = run("sort", *arguments)
        assert done.exit_code == 2
        assert said in done.stderr
        assert done.stderr.count("Error:") == 1
        assert tree(inbox.parent) == before
        assert not (inbox.parent / "out").exists()


def test_the_shell_completes_it(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTLAYER_SERVER", server)

    def completed(*words: str) -> set[str]:
        completion = ShellComplete(main, {}, "client", "_CLIENT_COMPLETE")
        return {item.value for item in completion.get_completions([*words[:-1]], words[-1])}

    assert completed("so") == {"sort"}
    assert completed("sort", "--u") == {"--undo"}
    assert completed("sort", "--model", "d") == {"default"}


def test_the_preview_fits_80_columns(make_run: Callable[[FakeClassifier], Runner], tmp_path: Path) -> None:
    long = "\u4e2d" * 60
    run = make_run(FakeClassifier(classes=(long, "dog")))
    folder = tmp_path / "inbox" / ("deep" * 12)
    folder.mkdir(parents=True)
    for number in range(12):
        (folder / f"{'x' * 60}{number}.jpg").write_text(f"{long}-{number}")
    done = run("sort", tmp_path / "inbox", "--into", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert max(cell_len(line.rstrip()) for line in done.stdout.splitlines()) <= 80
    assert "… and 2 more\n" in done.stdout
