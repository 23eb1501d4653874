"""Downloads a file over HTTP: resumes what broke off, checks the checksum, and lands the file in one move."""

import contextlib
import errno
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from featurizer.errors import FetchError

Progress = Callable[[str, int, int | None], None]
"""Called with what is being fetched, the bytes so far, and all its bytes where that is known."""

TIMEOUT_S: Final = 10.0
"""How long a silent network is waited for, at the connection and between two reads."""

_ATTEMPTS: Final = 4
_CHUNK_BYTES: Final = 1 << 18


def download(url: str, target: Path, checksum: str | None, progress: Progress) -> None:
    """Download `url` to `target`.

    A transfer that breaks off is resumed where it stopped, up to three times now and again at the next call: what came
    so far stays beside the target. `checksum` is `sha256:…` or `md5:…`; without one, any content is taken. Raises
    FetchError.
    """
    if not url.startswith(("https://", "http://")):
        raise FetchError(f"{url} cannot be fetched: only http and https URLs can.")
    part = target.with_name(f"{target.name}.part")
    with explain_write_errors(part):
        target.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(_ATTEMPTS):
            before = part.stat().st_size if part.exists() else 0
            whole = _transfer(url, part, progress)
            if whole:
                break
            # A server that yields nothing more will not do so at the next attempt either.
            if attempt == _ATTEMPTS - 1 or part.stat().st_size <= before:
                raise FetchError(f"{url} broke off after {part.stat().st_size} bytes; fetch again to resume.")
        land(part, target, checksum, url)
        _etag_file(part).unlink(missing_ok=True)


def land(part: Path, target: Path, checksum: str | None, origin: str) -> None:
    """Move a finished file into its place; remove it and raise FetchError where its checksum is another."""
    actual = checksum_of(part, checksum.partition(":")[0]) if checksum else None
    if actual != checksum:
        part.unlink()
        raise FetchError(f"{origin} has the checksum {actual}, but {checksum} is expected; it is not used.")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)


def checksum_of(path: Path, algorithm: str) -> str:
    """Return the checksum of a file, as `algorithm:hexadecimal digits`."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


@contextlib.contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of writing below the folder of `path` into a FetchError that names it."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error)).lower()
        raise FetchError(f"`{path.parent}` cannot be written: {reason}.") from error


def _etag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _transfer(url: str, part: Path, progress: Progress) -> bool:
    """Fetch what is missing of `part`; return whether it is whole now."""
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "lastlayer"})  # noqa: S310 - the scheme is checked
    if done:
        request.add_header("Range", f"bytes={done}-")
        with contextlib.suppress(FileNotFoundError):
            # If the file has changed since, the server sends it whole instead of the end of another one.
            request.add_header("If-Range", _etag_file(part).read_text())
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            return _receive(response, part, done, progress, url)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            part.unlink()  # longer than the file there: of another one
            return _transfer(url, part, progress)
        raise FetchError(f"{url} answered {error.code} {error.reason}.") from error
    except urllib.error.URLError as error:
        raise FetchError(f"{url} cannot be reached: {error.reason}.") from error
    except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
        raise FetchError(f"{url} gave no answer: {error}.") from error


def _receive(response: http.client.HTTPResponse, part: Path, done: int, progress: Progress, url: str) -> bool:
    resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
    if resumed and not (response.headers.get("Content-Range") or "").startswith(f"bytes {done}-"):
        raise FetchError(f"{url} answered with another part of the file than the one asked for.")
    if not resumed:
        done = 0
    length = response.headers.get("Content-Length")
    total = done + int(length) if length and length.isdigit() else None
    # Only a strong ETag promises the very same bytes.
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        _etag_file(part).write_text(etag)
    elif not resumed:
        _etag_file(part).unlink(missing_ok=True)
    with part.open("ab" if resumed else "wb") as file:
        while chunk := _read(response):
            file.write(chunk)
            done += len(chunk)
            progress(url, done, total)
    return total is None or done == total


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK_BYTES)
    except (ConnectionError, TimeoutError, http.client.HTTPException):
        return b""  # broken off: the length tells
