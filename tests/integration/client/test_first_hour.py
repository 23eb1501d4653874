"""What a new user meets in the first hour: versions, help, completion, names of models, hints and colours."""

import os
import pty
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import click
import pytest

from lastlayer.client.__main__ import main
from lastlayer.client.commands.interface import questions
from lastlayer.rpc.errors import PermissionDeniedError, ResourceNotFoundError
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier
from tests.programs import WAIT_S
from tests.unit.client.test_public import commands

CLIENT = (sys.executable, "-m", "lastlayer.client")


def in_a_terminal(command: list[str], **environment: str) -> str:
    """Return what a command prints on a terminal."""
    ours, its = pty.openpty()
    known = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
    environment = {**known, "TERM": "xterm-256color", **environment}
    with subprocess.Popen([*CLIENT, *command], stdin=its, stdout=its, stderr=its, env=environment) as process:
        os.close(its)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so where nobody has the other end open any more
                break
            if not piece:
                break
            said += piece
        process.wait(WAIT_S)
    os.close(ours)
    return said.decode()


def test_the_version(run: Run) -> None:
    assert run("--version").stdout == f"client {metadata.version('lastlayer')}\n"


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_h_is_help(run: Run, path: tuple[str, ...]) -> None:
    assert run(*path, "-h").stdout == run(*path, "--help").stdout


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_help_is_whole_and_the_connection_stands_at_its_end(run: Run, path: tuple[str, ...]) -> None:
    text = run(*path, "--help").stdout
    assert "..." not in text.partition("Commands:")[2]
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    if isinstance(command, click.Group) or path == ("completion",):
        return
    own, _, connection = text.partition("\nConnection:\n")
    for option in ("--server", "--timeout", "--tls", "--tls-ca", "--token"):
        assert f"  {option} " in connection
        assert f"  {option} " not in own
    assert "  --json " in own


class TestWhichModel:
    """The same words name a model in every command that reads one."""

    def ways(self, photos: Photos, tmp_path: Path) -> dict[str, tuple[list[object], str]]:
        photo = photos.folder / "cat" / "cat0.jpg"
        return {
            "predict": (["predict", photo], "Predict"),
            "evaluate": (["evaluate", photos.folder], "Evaluate"),
            "explain": (["explain", photo, "--json"], "Explain"),
            "review": (["review"], "ReviewExamples"),
            "report": (["report", "-o", tmp_path / "page.html"], "GetModelVersion"),
            "export": (["export", "--to", tmp_path / "head.npz"], "GetHead"),
            "rollback": (["rollback", "--to", "3"], "SetDefaultVersion"),
        }

    @pytest.mark.parametrize("name", ["predict", "evaluate", "explain", "review", "report", "export", "rollback"])
    def test_by_option_by_environment_or_as_the_only_one(
        self, run: Run, photos: Photos, fake: FakeClassifier, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        command, method = self.ways(photos, tmp_path)[name]

        def asked() -> tuple[str, int]:
            message = fake.messages(method)[-1]
            return getattr(message, "model", "") or message.name, message.version

        fake.models = ["flowers"]
        assert run(*command).exit_code == 0
        assert asked()[0] == "flowers"
        fake.models = ["flowers", "default", "pets"]
        assert run(*command).exit_code == 0
        assert asked()[0] == "default"
        assert run(*command, "--model", "pets").exit_code == 0
        assert asked()[0] == "pets"
        if name != "rollback":
            assert run(*command, "--model", "pets:2").exit_code == 0
            assert asked() == ("pets", 2)
            assert run(*command, "--model", "pets", "--version", "2").exit_code == 0
            assert asked() == ("pets", 2)
            assert "Name the version once" in run(*command, "--model", "pets:2", "--version", "2").stderr
            assert "names no version" in run(*command, "--model", "pets:x").stderr
        monkeypatch.setenv("LASTLAYER_MODEL", "pets")
        assert run(*command).exit_code == 0
        assert asked()[0] == "pets"
        if name in ("report", "export", "rollback"):
            assert run(*command, "flowers").exit_code == 0
            assert asked()[0] == "flowers"
            assert "Name the model once" in run(*command, "flowers", "--model", "pets").stderr

    def test_a_token_for_predictions_alone(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        fake.script["ListModels"] = [PermissionDeniedError("The token is not for this method.")]
        assert run("predict", photos.folder / "cat" / "cat0.jpg").exit_code == 0

    def test_what_is_trained_and_kept_may_be_new(
        self, run: Run, photos: Photos, fake: FakeClassifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake.models = ["flowers"]
        run("train", photos.folder)
        monkeypatch.setenv("LASTLAYER_MODEL", "pets")
        run("train", photos.folder)
        run("add", photos.folder)
        assert [message.model for message in fake.messages("Train")] == ["default", "pets"]
        assert [message.dataset for message in fake.messages("AddExamples")][-1] == "pets"


class TestNext:
    def test_after_train(self, run: Run, photos: Photos) -> None:
        assert run("train", photos.folder).stderr.endswith("Next: client predict IMAGE\n")
        assert run("train", photos.folder, "--model", "pets").stderr.endswith(
            "Next: client predict IMAGE --model pets\n"
        )
        assert "Next:" not in run("train", photos.folder, "--json").stderr

    def test_it_names_the_server_that_was_named(self, run: Run, photos: Photos, server: str) -> None:
        result = run("train", photos.folder, "--server", server)
        assert result.stderr.endswith(f"Next: client predict IMAGE --server {server}\n")


class TestNewClass:
    """The dataset of the fake has the class `cat`."""

    def test_at_a_terminal_it_is_asked_about(
        self, run: Run, photos: Photos, fake: FakeClassifier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("add", photos.folder)
        monkeypatch.setattr(questions, "can_ask", lambda: True)
        monkeypatch.setattr("lastlayer.client.commands.curation.examples.can_ask", lambda: True)
        path = photos.folder / "dog" / "dog0.jpg"
        result = run("relabel", path, "--to", "cats", stdin=b"n\n")
        assert result.exit_code == 2
        assert (
            "Note: cats is a new class of the dataset default, which has others (like cat).\nMake it? [y/N]"
            in result.stderr
        )
        assert result.stderr.endswith("Nothing was done.\n")
        assert "Interrupted" not in result.stderr
        assert fake.count("RelabelExamples") == 0
        assert run("relabel", path, "--to", "cats", stdin=b"y\n").exit_code == 0
        assert run("relabel", path, "--to", "cows", "--yes").stderr == ""
        assert run("relabel", path, "--to", "cat").stderr == ""
        assert fake.count("RelabelExamples") == 3

    def test_where_nobody_can_be_asked_it_is_said(self, run: Run, photos: Photos) -> None:
        run("add", photos.folder)
        result = run("relabel", photos.folder / "dog" / "dog0.jpg", "--to", "fox")
        assert (result.exit_code, result.stderr) == (
            0,
            "Note: fox is a new class of the dataset default, which has others (cat).\n",
        )


class TestColours:
    def test_on_a_terminal_alone_and_not_with_no_color(self, server: str, photos: Photos, run: Run) -> None:
        command = ["predict", str(photos.folder / "cat" / "cat0.jpg"), str(photos.folder / "none.jpg")]
        told = in_a_terminal(command, LASTLAYER_SERVER=server)
        assert "\x1b[32m\x1b[1mcat\x1b[0m with score" in told
        assert "\x1b[31m\x1b[1mFailed:\x1b[0m none.jpg" in told
        assert "\x1b[3" not in in_a_terminal(command, LASTLAYER_SERVER=server, NO_COLOR="1")
        assert "\x1b" not in run(*command).output


class TestCompletion:
    def complete(self, server: str, *words: str) -> list[str]:
        done = subprocess.run(
            [*CLIENT],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
            env={
                **os.environ,
                "LASTLAYER_SERVER": server,
                "_CLIENT_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(["client", *words]),
                "COMP_CWORD": str(len(words)),
            },
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    @pytest.mark.parametrize(
        "words",
        [
            ("predict", "--model", "f"),
            ("report", "f"),
            ("export", "f"),
            ("compare", "f"),
            ("models", "show", "f"),
            ("relabel", "a.jpg", "--to", "cat", "--dataset", "f"),
            ("datasets", "delete", "f"),
        ],
        ids=" ".join,
    )
    def test_the_names_of_models_and_datasets(self, server: str, fake: FakeClassifier, words: tuple[str, ...]) -> None:
        fake.models = ["default", "flowers", "food", "pets"]
        assert self.complete(server, *words) == ["flowers", "food"]

    def test_nothing_where_there_is_no_server(self) -> None:
        assert self.complete("127.0.0.1:1", "predict", "--model", "f") == []

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_script(self, run: Run, shell: str) -> None:
        result = run("completion", shell)
        assert result.exit_code == 0
        assert f"_CLIENT_COMPLETE={shell}_complete" in result.stdout


def test_a_name_that_is_not_there_is_compared_with_those_that_are(run: Run, fake: FakeClassifier) -> None:
    fake.script["ReviewExamples"] = [
        ResourceNotFoundError("model", "flower", "There are: flowers. Did you mean `flowers`?")
    ]
    assert run("review", "--model", "flower").stderr == (
        "Error: There is no model `flower`. There are: flowers. Did you mean `flowers`?\n"
    )
