"""Requests that would hold the studio's memory: many large ones at once, and such as never end."""

import contextlib
import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lastlayer.studio.web import bodies, connection
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.integration.studio.conftest import Door, serving

MIB = 2**20
HEAD = "POST /v1/models/default:predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"


@pytest.fixture
def studio() -> Iterator[Door]:
    with running(FakeClassifier()) as classifier, serving(classifier) as address:
        yield Door(address)


class Sender:
    """Sends all of a large request but for the last byte."""

    def __init__(self, studio: Door) -> None:
        host, _, port = studio.address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.sendall(f"{HEAD}Content-Length: {32 * MIB}\r\n\r\n".encode())
        self.answer = b""
        self.thread = threading.Thread(target=self._send)
        self.thread.start()

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(31):
                self.socket.sendall(bytes(MIB))
        with contextlib.suppress(OSError):
            self.answer = self.socket.recv(65536)


@pytest.mark.long
def test_requests_that_are_half_sent_hold_no_more_than_there_is_room_for(
    studio: Door, caplog: pytest.LogCaptureFixture
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    senders = [Sender(studio) for _ in range(24)]
    try:
        # Whatever takes no room is served meanwhile.
        assert studio("GET", "/v1/models").status == 200
        assert studio("POST", "/v1/models/default:predict", b"jpeg", kind="image/jpeg").status == 200
        end = time.monotonic() + 60
        while sum(sender.answer.startswith(b"HTTP/1.1 429") for sender in senders) < 20 and time.monotonic() < end:
            time.sleep(0.05)
        assert sum(sender.answer.startswith(b"HTTP/1.1 429") for sender in senders) == 20
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown * 1024 < 2 * bodies.TOTAL_BYTES + 100 * MIB
    finally:
        for sender in senders:
            with contextlib.suppress(OSError):
                sender.socket.shutdown(socket.SHUT_RDWR)
            sender.thread.join()
            sender.socket.close()
    # Whoever went away has left its room.
    large = studio("POST", "/v1/models/default:predict", bytes(32 * MIB), kind="image/jpeg")
    assert large.status != 429
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_request_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults: dict[str, object] = {**(bodies.Bodies.__init__.__kwdefaults__ or {}), "arrival_s": 0.5}
    monkeypatch.setattr(bodies.Bodies.__init__, "__kwdefaults__", defaults)
    with running(FakeClassifier()) as classifier, serving(classifier) as address:
        sender = Sender(Door(address))
        sender.thread.join()
        assert sender.answer.startswith(b"HTTP/1.1 408")
        sender.socket.close()


def connected(studio: Door, sent: bytes) -> socket.socket:
    host, _, port = studio.address.rpartition(":")
    opened = socket.create_connection((host, int(port)), timeout=30)
    opened.sendall(sent)
    return opened


def is_closed(opened: socket.socket) -> bool:
    try:
        return opened.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET /v1/models HTTP/1.1\r\nHost: "], ids=["nothing", "half a head"])
def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.3)
    with running(FakeClassifier()) as classifier, serving(classifier) as address:
        studio = Door(address)
        with connected(studio, sent) as slow:
            for _ in range(3):  # it is of no use to send a little
                time.sleep(0.05)
                slow.sendall(b"1" if sent else b"")
            assert is_closed(slow)
        # After a request as well.
        with connected(studio, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as again:
            assert again.recv(4096)
            again.sendall(b"GET /")
            while again.recv(4096):  # the rest of the answer, and then the end
                pass


def test_connections_without_a_request_keep_nobody_out(studio: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MOST_WAITING", 32)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connected(studio, b"GET /")) for _ in range(100)]
        for _ in range(5):
            assert studio("GET", "/v1/models").status == 200
        assert all(is_closed(one) for one in opened[:60])


def test_heads_and_forms_have_bounds(studio: Door) -> None:
    with connected(studio, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n") as opened:
        with contextlib.suppress(OSError):
            for number in range(10_000):  # of a KiB each
                opened.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1000))
        with contextlib.suppress(ConnectionResetError):
            assert opened.recv(64).startswith(b"HTTP/1.1 400")
    for named in (b'name="x"', b'name="image"; filename="a.jpg"'):
        body = b"--X\r\nContent-Disposition: form-data; %s\r\n\r\na\r\n" % named * 100_000 + b"--X--\r\n"
        answer = studio("POST", "/v1/models/default:predict", body, kind="multipart/form-data; boundary=X")
        assert answer.status == 400, answer.content
    head = b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
    large = head + b"X-A: " + b"a" * (10 * MIB) + b"\r\n\r\nabc\r\n--X--\r\n"
    answer = studio("POST", "/v1/models/default:predict", large, kind="multipart/form-data; boundary=X")
    assert answer.status == 400, answer.content
    assert studio("GET", "/v1/models").status == 200
