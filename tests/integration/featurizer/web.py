"""A real HTTP server on a free port, whose files misbehave as they are told, and a package index on it."""

import contextlib
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus


@dataclass(frozen=True)
class Page:
    """What a path answers."""

    content: bytes = b""
    status: int = HTTPStatus.OK
    etag: str = ""
    location: str = ""
    content_type: str = "application/octet-stream"
    cut_after: int | None = None
    """The connection is closed after so many bytes of an answer."""
    ranges: bool = True
    """Whether requests for a part are answered with that part."""
    chunked: bool = False
    """Whether the answer says nothing about its length."""
    reason: str | None = None
    """The reason phrase, where it is not that of the status."""
    content_range: str = ""
    """What the answer says that it is a part of, whatever was asked for."""
    endless: bool = False
    """Whether the content is sent over and over, until nobody reads it any more or the server is closed."""
    pause_s: float = 0
    """How long the server waits between two bytes of an answer that claims 100,000."""
    silent: bool = False
    """Whether the answer never comes, until the server is closed."""


@dataclass
class Web:
    """Pages by path, each with what it answers from one request to the next: the last answer stays."""

    pages: dict[str, list[Page]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """What was asked for: path and headers, the names in lower case."""
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def add(self, path: str, *pages: Page) -> str:
        self.pages[path] = list(pages)
        return self.url + path

    def ranges(self) -> list[str | None]:
        """The ranges that were asked for, one a request."""
        return [headers.get("range") for _, headers in self.requests]

    def next_page(self, path: str) -> Page:
        pages = self.pages.get(path, [Page(status=HTTPStatus.NOT_FOUND)])
        return pages.pop(0) if len(pages) > 1 else pages[0]


@contextlib.contextmanager
def serving() -> Iterator[Web]:
    web = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            web.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            page = web.next_page(self.path)
            self.close_connection = True
            if page.silent:
                web.closing.wait()
                return
            page, start = self.ranged(page)
            if page.pause_s:
                self.drip(page)
                return
            self.send_response(page.status, page.reason)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Connection", "close")
            for name, value in (
                ("ETag", page.etag),
                ("Location", page.location),
                ("Content-Range", page.content_range),
            ):
                if value:
                    self.send_header(name, value)
            if page.status == HTTPStatus.PARTIAL_CONTENT:
                total = start + len(page.content)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if page.chunked or page.endless:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(page.content)))
            self.end_headers()
            if page.endless:
                with contextlib.suppress(OSError):
                    while not web.closing.is_set():
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(page.content), page.content))
                return
            body = page.content[: page.cut_after]
            if page.chunked and body:
                body = b"%x\r\n%b\r\n" % (len(body), body)
            if page.chunked and page.cut_after is None:
                body += b"0\r\n\r\n"
            self.wfile.write(body)

        def drip(self, page: Page) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n" % page.content_type.encode())
                self.wfile.write(b"Content-Length: 100000\r\n\r\n")
                while not web.closing.wait(page.pause_s):
                    self.wfile.write(b"x")

        def ranged(self, page: Page) -> tuple[Page, int]:
            asked = self.headers.get("Range")
            if not (asked and page.ranges and page.status == HTTPStatus.OK):
                return page, 0
            if self.headers.get("If-Range", page.etag) != page.etag:
                return page, 0
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(page.content):
                return Page(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE), 0
            return replace(page, content=page.content[start:], status=HTTPStatus.PARTIAL_CONTENT), start

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            web.closing.set()
            server.shutdown()
            thread.join()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def wheel(project: str, version: str, members: dict[str, bytes]) -> bytes:
    """The smallest wheel that pip takes; `project` is in the form of file names, as `one_two`."""
    info = f"{project}-{version}.dist-info"
    return zipped(
        {
            **members,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
    )


def add_to_index(web: Web, project: str, version: str, content: bytes) -> str:
    """Put a wheel on a package index (PEP 503) and return the index's URL; `project` is as in `wheel`."""
    name = f"{project}-{version}-py3-none-any.whl"
    link = f'<!DOCTYPE html><html><body><a href="/files/{name}">{name}</a></body></html>'
    web.add(f"/files/{name}", Page(content))
    web.add(f"/simple/{project.replace('_', '-')}/", Page(link.encode(), content_type="text/html"))
    return f"{web.url}/simple"
