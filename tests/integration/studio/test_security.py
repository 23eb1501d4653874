"""Strangers' pages, oversized requests and tokens."""

import socket

import pytest

from lastlayer.rpc.errors import PermissionDeniedError, UnauthenticatedError
from lastlayer.studio.web.bodies import MAX_BODY_BYTES
from tests.integration.client.fake_classifier import FakeClassifier
from tests.integration.studio.conftest import Door
from tests.integration.studio.test_door import check_problem


@pytest.mark.parametrize("host", ["evil.example:8080", "127.0.0.1.evil.example", "localhost.", "", "[::2]:80"])
def test_other_names_are_refused(studio: Door, fake: FakeClassifier, host: str) -> None:
    for path in ("/", "/v1/models", "/page/app.css"):
        answer = studio("GET", path, headers={"Host": host})
        check_problem(answer, 403, "PERMISSION_DENIED", "HOST_NOT_ALLOWED")
    assert not fake.calls


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080", "studio.example"])
def test_its_own_names_are_served(studio: Door, host: str) -> None:
    assert studio("GET", "/v1/models", headers={"Host": host}).status == 200
    assert studio("GET", "/v1/models", headers={"Host": host, "Origin": f"http://{host}"}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9999", "http://127.0.0.1", ""])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/models/default:train"), ("DELETE", "/v1/models/default"), ("GET", "/v1/models")]
)
def test_requests_of_other_sites_are_refused(
    studio: Door, fake: FakeClassifier, origin: str, method: str, path: str
) -> None:
    check_problem(
        studio(method, path, {} if method == "POST" else None, {"Origin": origin}),
        *(403, "PERMISSION_DENIED", "ORIGIN_NOT_ALLOWED"),
    )
    assert not fake.calls


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_images_and_scripts_of_other_sites_are_refused(studio: Door, fake: FakeClassifier, site: str) -> None:
    answer = studio("GET", "/v1/models/default/versions/1/report", headers={"Sec-Fetch-Site": site})
    check_problem(answer, 403, "PERMISSION_DENIED", "ORIGIN_NOT_ALLOWED")
    assert not fake.calls
    assert studio("GET", "/", headers={"Sec-Fetch-Site": site}).status == 200  # a link to the page is well


def test_what_is_too_large_is_refused_before_it_is_read(studio: Door, fake: FakeClassifier) -> None:
    head = "POST /v1/models/default:predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
    host, _, port = studio.address.rpartition(":")
    for length in (str(MAX_BODY_BYTES + 1), "99999999999999999999"):
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            sock.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        assert b" 413 " in answer.splitlines()[0]
        assert b"REQUEST_TOO_LARGE" in answer
    assert not fake.calls


def test_what_does_not_say_how_large_it_is_is_bounded_too(studio: Door, fake: FakeClassifier) -> None:
    host, _, port = studio.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as sock:
        sock.sendall(
            b"POST /v1/models/default:predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        answer = b""
        try:
            for _ in range(MAX_BODY_BYTES // 0x100000 + 2):
                sock.sendall(chunk)
            answer = sock.recv(65536)
        except ConnectionError:
            pass
    assert not answer or b" 413 " in answer.splitlines()[0]
    assert not fake.calls


def test_a_token_is_passed_on_and_not_kept(studio: Door, fake: FakeClassifier) -> None:
    assert studio("GET", "/v1/models", headers={"Authorization": "Bearer secret"}).status == 200
    assert studio("GET", "/v1/models").status == 200
    first, second = [metadata for method, metadata in fake.metadata if method == "ListModels"]
    assert first["authorization"] == "Bearer secret"
    assert "authorization" not in second


def test_a_training_has_the_token_of_its_request(studio: Door, fake: FakeClassifier) -> None:
    assert studio("POST", "/v1/models/default:train", {}, {"Authorization": "Bearer secret"}).status == 200
    [metadata] = [metadata for method, metadata in fake.metadata if method == "Train"]
    assert metadata["authorization"] == "Bearer secret"


@pytest.mark.parametrize("value", ["secret", "Basic c2VjcmV0", "Bearer", "Bearer two words", "Bearer " + "x" * 5000])
def test_what_is_no_token_is_refused(studio: Door, fake: FakeClassifier, value: str) -> None:
    answer = studio("GET", "/v1/models", headers={"Authorization": value})
    check_problem(answer, 401, "UNAUTHENTICATED", "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not fake.calls


def test_scopes_are_the_classifiers(studio: Door, fake: FakeClassifier) -> None:
    fake.script["ListDatasets"] = [PermissionDeniedError("Not for this."), UnauthenticatedError("No token.")]
    assert studio("GET", "/v1/access").json == {"token_needed": False, "predict": True, "admin": False}
    assert studio("GET", "/v1/access").json == {"token_needed": True, "predict": False, "admin": False}
    fake.script["ListDatasets"] = [PermissionDeniedError("Not for this.")]
    check_problem(studio("GET", "/v1/datasets"), 403, "PERMISSION_DENIED", "PERMISSION_DENIED")


def test_the_page_is_bound_to_itself(studio: Door) -> None:
    for path in ("/", "/page/app.css", "/v1/models", "/v1/nothing"):
        headers = studio("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "set-cookie" not in headers
        assert "access-control-allow-origin" not in headers
