"""One hostile file at a time: why it is refused, and what it takes of processor time and memory until then."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.featurizer import files
from tests.attacks.featurizer.files import Make

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured and limited on Linux alone")

MOST_HERE_S = 1.0
"""The processor time that an image may take of the service's own process: others wait for that."""

MOST_APART_S = 2.0 + 64_000_000 * 40e-9 + 1.5
"""What it may take of a process of its own: two seconds beside what its pixels take, and the start of that process."""

MOST_HERE_MIB = 200
MOST_APART_MIB = 700


Featurize = Callable[[bytes], Mapping[str, Any]]


@pytest.fixture(scope="module")
def featurize(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Featurize]:
    """Returns what the program tells of a file; fails where the file ends the process that it is in."""
    folder = tmp_path_factory.mktemp("hostile")
    command = [sys.executable, "-m", "tests.attacks.featurizer.pipeline_process"]
    with (
        (folder / "errors").open("wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as program,
    ):
        assert program.stdin
        assert program.stdout
        stdin, stdout = program.stdin, program.stdout

        def tell(content: bytes) -> Mapping[str, Any]:
            file: Path = folder / "file"
            file.write_bytes(content)
            stdin.write(f"{file}\n")
            stdin.flush()
            line = stdout.readline()
            assert line.strip(), (folder / "errors").read_text(errors="replace")
            told: Mapping[str, Any] = json.loads(line)
            return told

        yield tell


def check(featurize: Featurize, name: str, make: Make, reason: str) -> None:
    content = make()
    assert len(content) <= 32 * files.MIB
    told = featurize(content)
    assert told["reason"] == reason, (name, told)
    assert told["here_s"] < MOST_HERE_S, (name, told)
    assert told["apart_s"] < MOST_APART_S, (name, told)
    assert told["here_mib"] < MOST_HERE_MIB, (name, told)
    assert told["apart_mib"] < MOST_APART_MIB, (name, told)


@pytest.mark.parametrize("name", files.CHEAP)
def test_what_costs_next_to_nothing(name: str, featurize: Featurize) -> None:
    check(featurize, name, *files.CHEAP[name])


@pytest.mark.long
@pytest.mark.parametrize("name", files.DEAR)
def test_what_is_ended_or_finished_in_a_process_of_its_own(name: str, featurize: Featurize) -> None:
    check(featurize, name, *files.DEAR[name])
