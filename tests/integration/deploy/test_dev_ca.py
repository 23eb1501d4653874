"""The development CA: its certificates are accepted for the services' names, and those of another CA are not."""

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from lastlayer.rpc.credentials.tls import read_token
from lastlayer.rpc.credentials.tokens import TokenFile
from tests.programs import run

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "make-dev-ca.sh"
SERVICES = ["featurizer", "classifier"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("ca") / "tls")


def make(folder: Path) -> Path:
    run([str(SCRIPT), str(folder)])
    return folder


@contextmanager
def serving(folder: Path, service: str) -> Iterator[int]:
    """A server with a service's certificate; yields its port."""
    pair = ((folder / f"{service}.key").read_bytes(), (folder / f"{service}.pem").read_bytes())
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def code(port: int, ca: Path, name: str) -> grpc.StatusCode:
    """Return how a call to a server that is to be called `name` ends."""
    credentials = grpc.ssl_channel_credentials(ca.read_bytes())
    options = [("grpc.ssl_target_name_override", name)]
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        method: Any = channel.unary_unary("/no.Service/NoMethod")  # its types want serializers
        with pytest.raises(grpc.RpcError) as caught:
            method(b"", timeout=30)
        found: grpc.StatusCode = caught.value.code()
        return found


@pytest.mark.parametrize("service", SERVICES)
def test_certificate_is_good_for_the_names_of_its_service(folder: Path, service: str) -> None:
    with serving(folder, service) as port:
        for name in (service, "localhost", "127.0.0.1"):
            assert code(port, folder / "ca.pem", name) == grpc.StatusCode.UNIMPLEMENTED, name
        assert code(port, folder / "ca.pem", "elsewhere") == grpc.StatusCode.UNAVAILABLE


def test_another_ca_does_not_vouch_for_it(folder: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    with serving(folder, "classifier") as port:
        assert code(port, other / "ca.pem", "classifier") == grpc.StatusCode.UNAVAILABLE


def test_nobody_else_enters_the_folder_and_the_key_of_the_ca_is_gone(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    made = {path.name for path in folder.iterdir()}
    assert made == {
        "ca.pem",
        "client.token",
        "classifier.token",
        *(f"{service}.{kind}" for service in SERVICES for kind in ("key", "pem")),
        *(f"{service}-tokens.toml" for service in SERVICES),
    }


@pytest.mark.parametrize(
    ("who", "service", "admin"), [("client", "classifier", True), ("classifier", "featurizer", False)]
)
def test_services_know_the_tokens_of_their_callers(folder: Path, who: str, service: str, admin: bool) -> None:
    tokens = TokenFile(folder / f"{service}-tokens.toml")
    authorization = f"Bearer {read_token(folder / f'{who}.token')}"
    assert tokens.find_refusal(authorization, "predict") is None
    assert (tokens.find_refusal(authorization, "admin") is None) == admin
