"""The training API of Azure Custom Vision, as far as the pages ask it, with the photos of a folder as its project."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.e2e.pages.photos import custom_vision_images

_TAGGED = re.compile(r"/customvision/v3\.3/training/projects/\w+/images/tagged")
_MOST = 10
"""How many images are answered at once, whatever is asked: so that there are several pages."""


@contextlib.contextmanager
def serving_project(folder: Path) -> Iterator[str]:
    """Serve the project while the block lasts; yields where, such as `http://127.0.0.1:1234`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if _TAGGED.fullmatch(asked.path) and self.headers["Training-Key"] == "key":
                begin = int(parse_qs(asked.query)["skip"][0])
                self._answer(json.dumps(custom_vision_images(folder, address)[begin : begin + _MOST]).encode())
            elif (photo := folder / asked.path.lstrip("/")).is_file():
                self._answer(photo.read_bytes())
            else:
                self.send_error(404)

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()
