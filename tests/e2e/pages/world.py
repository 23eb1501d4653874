"""Where the pages' commands run: services that `lastlayer up` started, and a folder with what the commands take."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lastlayer.client import Client
from lastlayer.local.services import SCRIPTS, free_port
from tests import triton
from tests.e2e.pages.network import write_network
from tests.e2e.pages.photos import write_photos
from tests.markdown import ROOT, Block, commands, is_printed


class PageError(AssertionError):
    """A page says what is not so. Its text has the place, and what happened."""


@dataclass(frozen=True)
class World:
    """The services, and how what a page shows is run against them."""

    state: Path
    """What the pages call `~/.lastlayer`."""
    environment: Mapping[str, str]
    featurizer: str
    classifier: str
    studio: str

    def client(self) -> Client:
        """Return a client of the classifier."""
        return Client(self.classifier)

    def forget(self) -> None:
        """Delete all models and datasets."""
        with self.client() as client:
            for model in list(client.list_models()):
                client.delete_model(model.name)
            for dataset in list(client.list_datasets()):
                client.delete_dataset(dataset.name)

    def folder(self, path: Path) -> Path:
        """Return a new folder that is like a clone of the project after `make`, with photos in it."""
        path.mkdir()
        write_photos(path)
        (path / ".venv").mkdir()
        (path / ".venv/bin").symlink_to(SCRIPTS)
        (path / "deploy").mkdir()
        shutil.copy(ROOT / "deploy/make-dev-ca.sh", path / "deploy")
        shutil.copytree(ROOT / "examples/whole-model", path / "examples/whole-model")
        return path

    def run(self, block: Block, folder: Path) -> None:
        """Run a block in a folder; raises `PageError` where it fails, or prints other things than the page shows."""
        if block.language == "console":
            for command in commands(block):
                printed = self._shell(block, command.text, folder).splitlines()
                for line in command.printed:
                    if not any(is_printed(line, one) for one in printed):
                        raise PageError(
                            f"{block}: `{command.text}` prints no line like\n  {line}\nbut\n  " + "\n  ".join(printed)
                        )
        elif block.language == "python":
            python = triton.PYTHON if "import tritonclient" in block.text else sys.executable
            self._run(block, [str(python), "-W", "error", "-c", self._local(block.text)], folder)
        else:
            self._shell(block, block.text, folder)

    def _shell(self, block: Block, script: str, folder: Path) -> str:
        # Each command must succeed, those of a pipe as well.
        return self._run(block, ["bash", "-euo", "pipefail", "-c", self._local(script)], folder)

    def _local(self, text: str) -> str:
        """Return a program or script with the usual ports replaced by those of our services."""
        ours = {"localhost:50051": self.featurizer, "localhost:50052": self.classifier, "127.0.0.1:8080": self.studio}
        for usual, port in ours.items():
            text = text.replace(usual, port)
        return text

    def _run(self, block: Block, arguments: list[str], folder: Path) -> str:
        done = subprocess.run(
            arguments,
            cwd=folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise PageError(f"{block} ends with status {done.returncode}:\n{block.text}\n{done.stdout}")
        return done.stdout


@contextlib.contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Run services in a new folder while the block lasts, as `lastlayer up` does."""
    tools = folder / "bin"
    tools.mkdir(parents=True)
    if shutil.which("grpcurl") is None:
        stand_in = tools / "grpcurl"
        stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("grpcurl.py")}" "$@"\n')
        stand_in.chmod(0o755)
    state = folder / ".lastlayer"
    featurizer, classifier, studio = (f"127.0.0.1:{free_port()}" for _ in range(3))
    environment = {
        **os.environ,
        "HOME": str(folder),
        "PATH": os.pathsep.join((str(SCRIPTS), str(tools), os.environ["PATH"])),
        "LASTLAYER_HOME": str(state),
        "LASTLAYER_BACKBONE": str(write_network(folder / "network")),
        "LASTLAYER_SERVER": classifier,
        "FEATURIZER_ADDRESS": featurizer,
        "CLASSIFIER_ADDRESS": classifier,
        "STUDIO_ADDRESS": studio,
    }

    def lastlayer(command: str) -> None:
        subprocess.run([SCRIPTS / "lastlayer", command], env=environment, check=True, timeout=300, capture_output=True)

    try:
        lastlayer("up")
        yield World(state, environment, featurizer, classifier, studio)
    finally:
        lastlayer("down")
