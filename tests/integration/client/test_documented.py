"""The examples in the client's docstrings are true: each is run against a scripted classifier."""

import doctest
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lastlayer.client
from lastlayer.client import Client
from tests.integration.client.conftest import Photos
from tests.integration.client.fake_classifier import FakeClassifier

METHODS = {name: method for name, method in inspect.getmembers(Client, inspect.isfunction) if name[0] != "_"}
DOCUMENTED = [Client, lastlayer.client.read_data, *METHODS.values()]


@pytest.fixture
def names(
    client: Client, fake: FakeClassifier, photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What an example can use: the names of the package, a client, and files beside it; `pets` is trained already."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.jpg").write_text("cat-7")
    fake.models = ["default", "pets"]

    def connect(server: str) -> Client:  # the examples name the usual port
        assert server == "localhost:50052"
        return Client(client.server)

    public = {name: getattr(lastlayer.client, name) for name in lastlayer.client.__all__}
    return {**public, "Client": connect, "Path": Path, "client": client}


@pytest.mark.parametrize("documented", DOCUMENTED, ids=lambda documented: documented.__name__)
def test_examples_of_the_client(
    documented: Callable[..., Any], names: dict[str, Any], client: Client, photos: Photos
) -> None:
    if documented.__name__ != "add_examples":
        client.add_examples(lastlayer.client.read_data(photos.folder).examples, dataset="pets")
    examples = doctest.DocTestParser().get_doctest(
        inspect.getdoc(documented) or "", names, documented.__name__, None, None
    )
    assert examples.examples or documented.__name__ == "status"
    said: list[str] = []
    done = doctest.DocTestRunner().run(examples, out=said.append)
    assert done.failed == 0, "".join(said)


def test_examples_of_progress(names: dict[str, Any], client: Client, photos: Photos) -> None:
    for documented in (lastlayer.client.image_progress, lastlayer.client.train_progress):
        test_examples_of_the_client(documented, names, client, photos)


def test_example_of_data_frames(names: dict[str, Any], client: Client, photos: Photos) -> None:
    pytest.importorskip("pandas", reason="a DataFrame needs pandas, which is not installed")
    test_examples_of_the_client(lastlayer.client.to_dataframe, names, client, photos)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_raises(name: str) -> None:
    text = inspect.getdoc(METHODS[name]) or ""
    assert name == "close" or "raises " in text.lower().replace("\n", " ")


@pytest.mark.parametrize("module", ["output.json_lines", "report.charts"])
def test_examples_of_modules(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"lastlayer.client.{module}"))
    assert (found.failed, found.attempted > 0) == (0, True)
