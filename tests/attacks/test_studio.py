"""Requests that would hold the studio's memory: many large ones at once, and such as never end."""

import contextlib
import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lastlayer.studio.web import bodies
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
