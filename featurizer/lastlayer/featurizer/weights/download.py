"""Downloads a file over HTTP: resumes what broke off, checks the checksum, and lands the file in one move."""

import contextlib
import dataclasses
import errno
import http.client
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lastlayer.featurizer.backbones.hashed_file import HashedFile, hash_file
from lastlayer.featurizer.errors import FetchError

Progress = Callable[[str, int, int | None], None]
"""Called with what is being fetched, the bytes so far, and all its bytes where that is known.

What it raises (no OSError) ends the fetch; what came so far of a download stays and is resumed by the next.
"""

TIMEOUT_S: Final = 10.0
"""How long a silent network is waited for: until the answer begins, and between two reads."""

_ATTEMPTS: Final = 4
_CHUNK_BYTES: Final = 1 << 18


def download(
    url: str, target: Path, checksum: str | None, progress: Progress, *, timeout_s: float = TIMEOUT_S
) -> HashedFile:
    """Download `url` to `target` and return it.

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
            if _transfer(url, part, progress, timeout_s):
                break
            # A server that yields nothing more will not do so at the next attempt either.
            if attempt == _ATTEMPTS - 1 or part.stat().st_size <= before:
                raise FetchError(f"{url} broke off after {part.stat().st_size} bytes; fetch again to resume.")
        _etag_file(part).unlink(missing_ok=True)
        return land(part, target, checksum, url)


def land(part: Path, target: Path, checksum: str | None, origin: str) -> HashedFile:
    """Move a finished file into its place; remove it and raise FetchError where its checksum is another."""
    hashed = hash_file(part, checksum)
    if checksum is not None and not hashed.has(checksum):
        part.unlink()
        actual = hashed.checksums[checksum.partition(":")[0]]
        raise FetchError(f"{origin} has the checksum {actual}, but {checksum} is expected; it is not used.")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    return dataclasses.replace(hashed, path=target)


@contextlib.contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of writing below the folder of `path` into a FetchError that names what it is about."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FetchError(f"`{path.parent}` cannot be written: the disk is full.") from error
        reason = (error.strerror or str(error)).lower()
        raise FetchError(f"`{error.filename or path.parent}` cannot be read or written: {reason}.") from error


def _etag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _transfer(url: str, part: Path, progress: Progress, timeout_s: float) -> bool:
    """Fetch what is missing of `part`; return whether it is whole now."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "lastlayer"}
    if done:
        headers["Range"] = f"bytes={done}-"
        with contextlib.suppress(FileNotFoundError):
            # If the file has changed since, the server sends it whole instead of the end of another one.
            headers["If-Range"] = _etag_file(part).read_text()
    try:
        response = _open(url, headers, timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            part.unlink()  # not shorter than the file there, and yet not landed: of another one
            return _transfer(url, part, progress, timeout_s)
        raise FetchError(f"{url} answered {error.code} {str(error.reason).partition(chr(10))[0]}.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{url} cannot be reached: {getattr(error, 'reason', error)}.") from error
    with response:
        return _receive(response, part, done, progress, url)


def _open(url: str, headers: dict[str, str], timeout_s: float) -> http.client.HTTPResponse:
    """Return the answer, or raise TimeoutError where none has begun within the time.

    urlopen's own timeout is none for that: it holds anew for each of the host's addresses, of which a large host has a
    dozen, and not at all for the look-up of its name.
    """
    answer: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked
            answer.put(urllib.request.urlopen(request, timeout=timeout_s))  # noqa: S310
        except Exception as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        outcome = answer.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError(f"no answer within {timeout_s:g} seconds") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _receive(response: http.client.HTTPResponse, part: Path, done: int, progress: Progress, url: str) -> bool:
    resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
    if resumed and not (response.headers.get("Content-Range") or "").startswith(f"bytes {done}-"):
        part.unlink()  # the next try is to begin anew
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
    return chunk is not None and total in (None, done)


def _read(response: http.client.HTTPResponse) -> bytes | None:
    """Return the next bytes, none of them at the end, or None where the connection broke off."""
    try:
        return response.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException):
        return None
