"""The studio behind a real socket, in front of a classifier that follows a script."""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lastlayer.studio.config import StudioSettings
from lastlayer.studio.server import listen, server
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.programs import until


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        assert "json" in self.headers["content-type"], self.content
        return json.loads(self.content)


Part = tuple[str, bytes] | tuple[str, bytes, str]


def form(*parts: Part) -> tuple[bytes, str]:
    """Return a form and its type; a part is a name and a content, and of a file its name."""
    body = b""
    for name, content, *file in parts:
        named = f'; filename="{file[0]}"' if file else ""
        body += f'--X\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"
    return body + b"--X--\r\n", "multipart/form-data; boundary=X"


class Door:
    """Sends requests to the studio."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, kind: str = ""
    ) -> Answer:
        """Send a request: JSON, or bytes of the given kind."""
        known = {"Content-Type": kind or "application/json"} if body is not None else {}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, path, content, {**known, **(headers or {})})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())
        finally:
            connection.close()

    def form(self, path: str, *parts: Part) -> Answer:
        body, kind = form(*parts)
        return self("POST", path, body, kind=kind)


@contextlib.contextmanager
def serving(classifier: str) -> Iterator[str]:
    """Run the studio in front of a classifier while the block lasts; yields its address."""
    with listen("127.0.0.1:0") as sock:
        settings = StudioSettings.model_validate(
            {"classifier": classifier, "hosts": "studio.example", "grace_seconds": 1}
        )
        running_server = server(settings)
        thread = threading.Thread(target=running_server.run, args=([sock],))
        thread.start()
        until(lambda: running_server.started)
        try:
            yield f"127.0.0.1:{sock.getsockname()[1]}"
        finally:
            running_server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def shared_fake() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture(scope="module")
def studio(shared_fake: FakeClassifier) -> Iterator[Door]:
    with running(shared_fake) as classifier, serving(classifier) as address:
        yield Door(address)


@pytest.fixture
def fake(shared_fake: FakeClassifier) -> FakeClassifier:
    """The classifier behind the studio, as if it were new."""
    vars(shared_fake).update(vars(FakeClassifier()))
    return shared_fake


@pytest.fixture(autouse=True)
def _new(fake: FakeClassifier) -> None:
    """Let each test have it so."""
