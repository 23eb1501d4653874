"""What `from lastlayer import client` offers, what it costs, and what help says."""

import pkgutil
import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from lastlayer import client
from lastlayer.client import errors, results
from lastlayer.client.__main__ import main


def test_the_list_of_names_is_what_there_is() -> None:
    assert sorted(client.__all__) == client.__all__
    for name in client.__all__:
        assert getattr(client, name) is not None
    assert set(client.__all__) <= set(dir(client))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = client.nonsense


def test_every_public_error_and_result_is_listed() -> None:
    parts = [import_module(f"{results.__name__}.{part.name}") for part in pkgutil.iter_modules(results.__path__)]
    for module in (errors, *parts):
        own = {
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        }
        assert own <= set(client.__all__)


HEAVY = ("tensorflow", "sklearn", "numpy", "keras", "PIL", "sqlalchemy")
OTHER_RESULTS = tuple(f"lastlayer.client.results.{name}" for name in ("drift", "datasets", "metrics", "versions"))


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("from lastlayer import client", (*HEAVY, "grpc", "google.protobuf", "rich", "click")),
        ("import lastlayer.client.__main__", (*HEAVY, "grpc", "google.protobuf", "rich")),
        ("from lastlayer import client; client.read_data", (*HEAVY, "grpc", "google.protobuf", "rich", "click")),
        ("from lastlayer import client; client.Client", (*HEAVY, "rich", "click", *OTHER_RESULTS)),
        ("from lastlayer import client; client.Drift", (*HEAVY, "grpc", "google.protobuf", *OTHER_RESULTS[1:])),
        (
            "from lastlayer.client.__main__ import main; assert main(['--help'], standalone_mode=False) == 0",
            (*HEAVY, "grpc", "google.protobuf", "rich"),
        ),
    ],
)
def test_only_what_is_needed_is_imported(program: str, absent: tuple[str, ...]) -> None:
    program += f"; import sys; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = command.commands if isinstance(command, click.Group) else {}
    return [path, *(entry for name, child in below.items() for entry in commands(child, (*path, name)))]


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_help_ends_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], prog_name="client")
    assert result.exit_code == 0
    _, _, example = result.output.rpartition("Example:\n")
    lines = [line.strip() for line in example.splitlines()]
    assert lines
    shortest = [name for name in path if name != "list"]  # `client models` lists them
    assert all(line.startswith(" ".join(["client", *shortest])) for line in lines)


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_help_fits_a_terminal(path: tuple[str, ...]) -> None:
    output = CliRunner().invoke(main, [*path, "--help"], prog_name="client").output
    assert max(map(len, output.splitlines())) <= 80
