"""Every block of README.md and docs/ is run, in order, against real services; what cannot be says why in the page."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lastlayer.client import Client, Security
from lastlayer.featurizer.backbones.spec import read_backbone
from lastlayer.local.services import Service, free_port
from lastlayer.rpc.credentials.tls import CertificateFiles, channel_credentials
from lastlayer.rpc.credentials.tokens import TokenFile
from tests.e2e.pages.custom_vision import serving_project
from tests.e2e.pages.world import PageError, World, running_world
from tests.markdown import ROOT, RUNNABLE, Block, blocks
from tests.programs import WAIT_S, run

PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
TUTORIAL = [page for page in PAGES if page.startswith("docs/tutorial/")]
"""Its pages are one story, each going on where the one before it ended."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("pages") / "world") as running:
        yield running


@contextlib.contextmanager
def flowers(world: World, folder: Path) -> Iterator[World]:
    """What the pages call `flowers`: a model, and the dataset that it was trained on."""
    with world.client() as client:
        client.add_examples(folder / "photos", dataset="flowers")
        client.train("flowers")
    yield world


@contextlib.contextmanager
def trained(world: World, folder: Path) -> Iterator[World]:
    """The model `default`."""
    with world.client() as client:
        client.add_examples(folder / "photos")
        client.train()
    yield world


@contextlib.contextmanager
def secured(world: World, folder: Path) -> Iterator[World]:
    """A classifier with the certificate and the tokens that `deploy/make-dev-ca.sh` makes; it has a model."""
    run(["deploy/make-dev-ca.sh"], cwd=folder)  # the page makes others in their place
    tls, address = folder / "deploy/tls", f"localhost:{free_port()}"
    settings = {
        "CLASSIFIER_ADDRESS": address,
        "CLASSIFIER_FEATURIZER": world.featurizer,
        "CLASSIFIER_STORE_URL": f"sqlite:///{folder}/store.db",
        "CLASSIFIER_TLS_CERT": str(tls / "classifier.pem"),
        "CLASSIFIER_TLS_KEY": str(tls / "classifier.key"),
        "CLASSIFIER_TOKENS_FILE": str(tls / "classifier-tokens.toml"),
    }
    service = Service("classifier-svc", address, folder / "classifier.log", settings)
    service.credentials = channel_credentials(CertificateFiles(None, None, tls / "ca.pem").pem)
    service.start()
    try:
        service.wait_until_serving(WAIT_S)
        with Client(address, security=Security(ca=tls / "ca.pem", token=tls / "client.token")) as client:
            client.add_examples(folder / "photos")
            client.train()
        environment = {**world.environment, "LASTLAYER_SERVER": address}
        yield dataclasses.replace(world, classifier=address, environment=environment)
    finally:
        service.stop()


@contextlib.contextmanager
def custom_vision(world: World, folder: Path) -> Iterator[World]:
    """A project of Custom Vision, whose training API answers a page of it at a time."""
    with serving_project(folder) as address:
        project = {"CV_ENDPOINT": address, "CV_TRAINING_KEY": "key", "CV_PROJECT": "1"}
        yield dataclasses.replace(world, environment={**world.environment, **project})


PREPARED: Mapping[str, Callable[[World, Path], contextlib.AbstractContextManager[World]]] = {
    "README.md": trained,
    "docs/how-to/clients/grpc.md": trained,
    "docs/how-to/clients/http.md": trained,
    "docs/how-to/clients/python.md": trained,
    "docs/how-to/improve/curate.md": flowers,
    "docs/how-to/custom-vision.md": custom_vision,
    "docs/how-to/improve/sort-photos.md": flowers,
    "docs/how-to/mlnet.md": flowers,
    "docs/how-to/improve/watch-drift.md": flowers,
    "docs/how-to/operate/backup.md": flowers,
    "docs/how-to/export.md": flowers,
    "docs/how-to/take-a-model-away.md": flowers,
    "docs/how-to/triton.md": flowers,
    "docs/explanation/networks.md": flowers,
    "docs/how-to/operate/security.md": secured,
}
"""What is there before a page begins."""

READERS: Mapping[str, Callable[[Path], object]] = {"mine.toml": read_backbone, "tokens.toml": TokenFile}
"""What reads the files that the pages show; each fails where the file is not as it should be."""


LONG = {
    "docs/how-to/improve/curate.md",
    "docs/how-to/improve/sort-photos.md",
    "docs/how-to/improve/find-alike.md",
    "docs/how-to/improve/multi-label.md",
    "docs/how-to/improve/watch-drift.md",
    "docs/how-to/mlnet.md",
    "docs/how-to/teachable-machine.md",
    "docs/reference/commands/README.md",
    "docs/how-to/operate/backup.md",
    "docs/how-to/embed.md",
    "docs/how-to/export.md",
    "docs/how-to/improve/label-next.md",
    "docs/explanation/networks.md",
    "docs/how-to/take-a-model-away.md",
    "docs/how-to/test-your-own-code.md",
    "docs/how-to/triton.md",
    "docs/how-to/operate/security.md",
}
"""They start services anew, convert models, or train often."""


def is_run(block: Block) -> bool:
    return bool(block.file) or (block.language in RUNNABLE and not block.not_run)


def run_page(page: str, world: World, folder: Path) -> None:
    for block in filter(is_run, blocks(page)):
        if block.file:
            (folder / block.file).write_text(block.text)
            READERS[block.file](folder / block.file)
        else:
            world.run(block, folder)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.long] if page in LONG else [])
        for page in PAGES
        if page not in TUTORIAL and any(is_run(block) for block in blocks(page))
    ],
)
def test_a_page(page: str, world: World, tmp_path: Path) -> None:
    world.forget()
    folder = world.folder(tmp_path / "clone")
    prepare = PREPARED.get(page, lambda world, _: contextlib.nullcontext(world))
    with prepare(world, folder) as there:
        run_page(page, there, folder)


@pytest.mark.long
def test_the_tutorial(world: World, tmp_path: Path) -> None:
    world.forget()
    folder = world.folder(tmp_path / "clone")
    assert len(TUTORIAL) == 7
    for page in TUTORIAL:
        run_page(page, world, folder)


@pytest.mark.long
def test_what_a_page_shows_wrongly_is_found(world: World, tmp_path: Path) -> None:
    """A command and an option that are gone, a line that is not printed, a name of the API that is not there."""
    world.forget()
    folder = world.folder(tmp_path / "clone")
    for language, text in (
        ("sh", "client state\n"),
        ("sh", "client status --jsonl | cat\ntrue\n"),
        ("console", "$ client status\nserver: SERVING\nfeaturizer: GONE\n"),
        ("python", "from lastlayer.client import Klient\n"),
    ):
        with pytest.raises(PageError):
            world.run(Block("page.md", 1, language, text), folder)
    world.run(Block("page.md", 1, "console", "$ client status\nServer: …\nfeaturizer: SERVING\n"), folder)
