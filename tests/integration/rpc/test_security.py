"""TLS, certificates that are replaced under a running server, and tokens, through real sockets."""

import asyncio
import contextlib
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lastlayer.rpc.channel import CLASSIFIER_SERVICE, channel_options
from lastlayer.rpc.credentials.tls import CertificateFiles, CredentialsError, channel_credentials
from lastlayer.rpc.probe import is_serving, main
from lastlayer.rpc.server.lifecycle import GrpcServer
from lastlayer.rpc.server.security import server_security
from lastlayer.rpc.settings import ServiceSettings
from lastlayer.rpc.status import read_error
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc
from tests.programs import run

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "make-dev-ca.sh"
CODE = grpc.StatusCode


class Answering(classifier_pb2_grpc.ClassifierServicer):
    async def Predict(self, request, context):
        return classifier_pb2.PredictResponse(model=request.model)

    async def Train(self, request, context):
        yield classifier_pb2.TrainResponse()

    async def Evaluate(self, request_iterator, context):
        async for _ in request_iterator:
            yield classifier_pb2.EvaluateResponse()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of two CAs that know nothing of each other."""
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    for folder in folders:
        run([str(SCRIPT), str(folder)])
    return folders


@pytest.fixture
def folder(pristine: tuple[Path, Path], tmp_path: Path) -> Path:
    copy = tmp_path / "tls"
    shutil.copytree(pristine[0], copy)
    return copy


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.toml"
    path.write_text(
        "".join(
            f'[[tokens]]\nname = "{token}"\nsha256 = "{hashlib.sha256(token.encode()).hexdigest()}"\n'
            f'scopes = ["{scope}"]\n'
            for token, scope in (("reader", "predict"), ("boss", "admin"))
        )
    )
    return path


def forget(tokens: Path, token: str) -> None:
    tokens.write_text(tokens.read_text().replace(hashlib.sha256(token.encode()).hexdigest(), "0" * 64))


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[str]:
    security = server_security(ServiceSettings(**settings), frozenset({f"/{CLASSIFIER_SERVICE}/Predict"}))
    server = GrpcServer("127.0.0.1:0", services=[CLASSIFIER_SERVICE], grace_s=5, security=security)
    await server.start()
    server.register(classifier_pb2_grpc.add_ClassifierServicer_to_server, Answering())
    await server.set_serving(True)
    try:
        yield server.bound_address
    finally:
        await server.stop()


def over_tls(folder: Path) -> dict[str, Any]:
    return {"tls_cert": folder / "classifier.pem", "tls_key": folder / "classifier.key"}


async def code_of(
    address: str, credentials: grpc.ChannelCredentials | None, shape: str = "unary", metadata: Any = ()
) -> tuple[grpc.StatusCode, str]:
    """Return the code and the reason of how a call ends, over a connection of its own."""
    # By gRPC's synchronous client: where a stream is refused while the asynchronous one writes its request, it may make
    # that INTERNAL.
    return await asyncio.to_thread(_code_of, address, credentials, shape, metadata)


def _code_of(
    address: str, credentials: grpc.ChannelCredentials | None, shape: str, metadata: Any
) -> tuple[grpc.StatusCode, str]:
    options = channel_options()
    with (
        grpc.insecure_channel(address, options=options)
        if credentials is None
        else grpc.secure_channel(address, credentials, options=options)
    ) as channel:
        stub = classifier_pb2_grpc.ClassifierStub(channel)
        try:
            if shape == "unary":
                stub.Predict(classifier_pb2.PredictRequest(), timeout=20, metadata=metadata)
            elif shape == "server stream":
                list(stub.Train(classifier_pb2.TrainRequest(), timeout=20, metadata=metadata))
            else:
                list(stub.Evaluate(iter([classifier_pb2.EvaluateRequest()]), timeout=20, metadata=metadata))
        except grpc.RpcError as error:
            details = read_error(error)
            return details.code, details.reason
    return CODE.OK, ""


def trusting(folder: Path, *, certificate: str = "", token: str | Path | None = None) -> grpc.ChannelCredentials:
    ours, key = (folder / f"{certificate}.{kind}" if certificate else None for kind in ("pem", "key"))
    return channel_credentials(CertificateFiles(ours, key, folder / "ca.pem").pem, token)


async def test_with_tls_only_those_who_trust_its_ca_call_it(folder: Path, pristine: tuple[Path, Path]) -> None:
    async with serving(**over_tls(folder)) as address:
        assert await code_of(address, trusting(folder)) == (CODE.OK, "")
        assert (await code_of(address, trusting(pristine[1])))[0] == CODE.UNAVAILABLE
        assert (await code_of(address, None))[0] == CODE.UNAVAILABLE


async def test_with_mutual_tls_a_certificate_of_the_ca_is_needed(folder: Path, pristine: tuple[Path, Path]) -> None:
    other = pristine[1]
    async with serving(**over_tls(folder), tls_client_ca=folder / "ca.pem") as address:
        assert await code_of(address, trusting(folder, certificate="featurizer")) == (CODE.OK, "")
        assert (await code_of(address, trusting(folder)))[0] == CODE.UNAVAILABLE
        stranger = CertificateFiles(other / "featurizer.pem", other / "featurizer.key", folder / "ca.pem")
        assert (await code_of(address, channel_credentials(stranger.pem)))[0] == CODE.UNAVAILABLE


async def test_replaced_certificates_are_used_without_a_restart(
    folder: Path, pristine: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    other = pristine[1]
    async with serving(**over_tls(folder)) as address:
        old_ca = trusting(pristine[0])
        channel = grpc.aio.secure_channel(address, old_ca)
        stub = classifier_pb2_grpc.ClassifierStub(channel)
        await stub.Predict(classifier_pb2.PredictRequest(), timeout=20)

        # In the middle of a replacement the key does not fit: what was there goes on serving.
        shutil.copy(other / "classifier.pem", folder / "classifier.pem")
        assert await code_of(address, old_ca) == (CODE.OK, "")
        assert "cannot be renewed" in caplog.text
        assert "PRIVATE KEY" not in caplog.text

        shutil.copy(other / "classifier.key", folder / "classifier.key")
        assert await code_of(address, trusting(other)) == (CODE.OK, "")
        assert (await code_of(address, old_ca))[0] == CODE.UNAVAILABLE
        await stub.Predict(classifier_pb2.PredictRequest(), timeout=20)  # its connection is older than that
        await channel.close()


SHAPES = pytest.mark.parametrize("shape", ["unary", "server stream", "bidirectional"])


@SHAPES
async def test_every_shape_of_call_needs_its_token(folder: Path, tokens: Path, shape: str) -> None:
    async with serving(**over_tls(folder), tokens_file=tokens) as address:
        assert await code_of(address, trusting(folder, token="boss"), shape) == (CODE.OK, "")
        expected = (CODE.OK, "") if shape == "unary" else (CODE.PERMISSION_DENIED, "PERMISSION_DENIED")
        assert await code_of(address, trusting(folder, token="reader"), shape) == expected
        refused = CODE.UNAUTHENTICATED, "UNAUTHENTICATED"
        assert await code_of(address, trusting(folder), shape) == refused
        assert await code_of(address, trusting(folder, token="guess"), shape) == refused
        twice = (("authorization", "Bearer boss"), ("authorization", "Bearer guess"))
        assert await code_of(address, trusting(folder), shape, metadata=twice) == refused


async def test_a_token_in_a_file_can_be_replaced(folder: Path, tokens: Path, tmp_path: Path) -> None:
    mine = tmp_path / "token"
    mine.write_text("reader\n")
    async with (
        serving(**over_tls(folder), tokens_file=tokens) as address,
        grpc.aio.secure_channel(address, trusting(folder, token=mine)) as channel,
    ):
        stub = classifier_pb2_grpc.ClassifierStub(channel)
        await stub.Predict(classifier_pb2.PredictRequest(), timeout=20)
        forget(tokens, "reader")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Predict(classifier_pb2.PredictRequest(), timeout=20)
        assert caught.value.code() == CODE.UNAUTHENTICATED
        mine.write_text("boss\n")
        await stub.Predict(classifier_pb2.PredictRequest(), timeout=20)


async def end_of(call: Any) -> grpc.StatusCode:
    """Return how a call ends, its answers read."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        if isinstance(call, grpc.aio.StreamStreamCall):
            async for _ in call:
                pass
    code: grpc.StatusCode = await call.code()
    return code


@pytest.mark.parametrize(
    ("open_services", "health", "reflection"),
    [
        ("health", CODE.OK, CODE.UNAUTHENTICATED),
        ("health, reflection", CODE.OK, CODE.OK),
        ("none", CODE.UNAUTHENTICATED, CODE.UNAUTHENTICATED),
    ],
)
async def test_what_answers_without_a_token_can_be_chosen(
    tokens: Path, open_services: str, health: grpc.StatusCode, reflection: grpc.StatusCode
) -> None:
    async with (
        serving(tokens_file=tokens, open_services=open_services) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        health_stub: Any = health_pb2_grpc.HealthStub(channel)
        reflection_stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(grpc.Channel, channel))
        check = health_stub.Check(health_pb2.HealthCheckRequest(), timeout=20)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        listed = reflection_stub.ServerReflectionInfo(iter([asked]), timeout=20)
        assert [await end_of(check), await end_of(listed)] == [health, reflection]


async def test_the_probe_of_containers_works_over_tls_and_with_a_token(
    folder: Path, tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("boss")
    ca = ["--tls-ca", str(folder / "ca.pem")]
    ours = ["--tls-cert", str(folder / "featurizer.pem"), "--tls-key", str(folder / "featurizer.key")]
    token = ["--token-file", str(tmp_path / "token")]
    everything = {**over_tls(folder), "tls_client_ca": folder / "ca.pem", "tokens_file": tokens}
    async with serving(**everything, open_services="none") as address:
        for options, status in (([*ca, *ours, *token], 0), ([*ca, *ours], 1), ([*ca, *token], 1), ([], 1)):
            monkeypatch.setattr("sys.argv", ["probe", address, *options])
            assert await asyncio.to_thread(main) == status, options
        assert not await asyncio.to_thread(is_serving, address)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tls_cert": "missing.pem"}, "cannot be read: No such file"),
        ({"tls_cert": "ca.pem"}, "are not a certificate and its unencrypted key"),
        ({"tls_key": "featurizer.key"}, "are not a certificate and its unencrypted key"),
        ({"tls_client_ca": "classifier.key"}, "holds no CA certificate"),
    ],
)
def test_files_that_cannot_be_used_are_named(folder: Path, change: dict[str, str], said: str) -> None:
    settings = {**over_tls(folder), **{name: folder / file for name, file in change.items()}}
    with pytest.raises(CredentialsError, match=said) as caught:
        server_security(ServiceSettings(**settings), frozenset())
    assert all(file in str(caught.value) for file in change.values())


class Rotated(type(Path())):  # type: ignore[misc]
    """A path whose file is replaced, with what is beside it, right after it was read."""

    def read_bytes(self) -> bytes:
        content: bytes = super().read_bytes()
        with contextlib.suppress(FileNotFoundError):
            for file in (self.parent / "next").iterdir():
                file.replace(self.parent / file.name)
        return content


def test_what_is_checked_are_the_very_bytes_that_are_used(
    folder: Path, pristine: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = Rotated(folder / "classifier.pem"), folder / "classifier.key"
    files = CertificateFiles(certificate, key, None)
    before = files.pem
    (folder / "next").mkdir()
    for name in ("classifier.pem", "classifier.key"):
        shutil.copy(pristine[1] / name, folder / "next" / name)
    certificate.write_bytes((folder / "featurizer.pem").read_bytes())  # so that there is something new
    # The certificate is read before the rotation and the key after it, and by now the files themselves fit.
    assert files.renew() is None
    assert files.pem == before
    assert "cannot be renewed" in caplog.text
    # The next look finds the pair.
    assert files.renew() == (certificate.read_bytes(), key.read_bytes(), None)


def test_a_ca_may_have_comments_in_any_language(folder: Path) -> None:
    ca = folder / "ca.pem"
    ca.write_bytes("# Ausstellerin: Müller\n".encode() + ca.read_bytes())
    assert CertificateFiles(None, None, ca).pem.ca == ca.read_bytes()
