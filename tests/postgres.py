"""A real PostgreSQL, started for tests where its programs are installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)

needs_postgres = pytest.mark.skipif(
    PROGRAMS is None or not (PROGRAMS / "initdb").exists(),
    reason="PostgreSQL is not installed below /usr/lib/postgresql: its tests are skipped",
)


def _as_user(*command: object) -> list[str]:
    """Return a command as a user under whom PostgreSQL agrees to run: not as root."""
    words = [str(word) for word in command]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words] if os.getuid() == 0 else words


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """Runs a cluster of its own on a free port; yields the port."""
    assert PROGRAMS is not None
    if os.getuid() == 0 and (shutil.which("setpriv") is None or not _has_user("postgres")):
        pytest.skip("PostgreSQL does not run as root, and there is no user `postgres` to run it as")
    folder = Path(tempfile.mkdtemp(prefix="lastlayer-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    create = (
        PROGRAMS / "initdb",
        "-D",
        data,
        "-U",
        "lastlayer",
        "--auth=trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    )
    subprocess.run(_as_user(*create), check=True, capture_output=True, cwd=folder)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    control = (PROGRAMS / "pg_ctl", "-D", data, "-l", folder / "log", "-w")
    subprocess.run(_as_user(*control, "-o", options, "start"), check=True, stdout=subprocess.DEVNULL, cwd=folder)
    try:
        yield port
    finally:
        subprocess.run(_as_user(*control, "-m", "immediate", "stop"), check=True, capture_output=True, cwd=folder)
        shutil.rmtree(folder)


def _has_user(name: str) -> bool:
    import pwd

    return any(entry.pw_name == name for entry in pwd.getpwall())


@pytest.fixture
def postgres_url(postgres: int, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    assert PROGRAMS is not None
    name = f"d{abs(hash(request.node.name))}"
    where = ["-h", "127.0.0.1", "-p", str(postgres), "-U", "lastlayer"]
    subprocess.run([PROGRAMS / "createdb", *where, name], check=True)
    return f"postgresql://lastlayer@127.0.0.1:{postgres}/{name}"
