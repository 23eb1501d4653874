"""The tokens that a service accepts: a TOML file of their hashes, their scopes and when they expire.

Whoever empties, breaks or removes the file may have wanted to revoke a token, so that nobody is let in until it is
sound again.
"""

import datetime
import hashlib
import logging
import stat
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from prometheus_client import Gauge
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lastlayer.rpc.credentials.tls import CredentialsError
from lastlayer.rpc.errors import LastlayerError, PermissionDeniedError, UnauthenticatedError

_log = logging.getLogger(__name__)

Scope: TypeAlias = Literal["predict", "admin"]

_COMPLAINT_S: Final = 60.0
"""How often it is logged that nobody is let in."""

_MAX_BYTES: Final = 2**20
"""Of the file, which has some 5,000 tokens then. It is read within a call, and others wait for that."""

_LOOK_S: Final = 1.0
"""How often a file that could not be used is read again although it seems unchanged, as after a fault of a drive."""

_BROKEN: Final = Gauge(
    "lastlayer_tokens_file_broken", "1 where the file of tokens is gone or broken, and so nobody is let in"
)


class Token(BaseModel):
    """An entry of the file. The token itself is not in it, so that who reads the file cannot use it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    """Whose it is, for the log."""
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-fA-F]{64}$")]
    """The SHA-256 of the token, in hexadecimal."""
    scopes: frozenset[Scope] = Field(min_length=1)
    """`predict` to use models, `admin` for everything."""
    expires: AwareDatetime | datetime.date | None = None
    """Until when it is valid; a date includes that day (UTC)."""

    def is_valid(self, now: datetime.datetime) -> bool:
        """Return whether it has not expired."""
        if self.expires is None:
            return True
        if isinstance(self.expires, datetime.datetime):
            return now < self.expires
        return now.astimezone(datetime.UTC).date() <= self.expires

    def allows(self, scope: Scope) -> bool:
        """Return whether it may be used for what needs `scope`."""
        return scope in self.scopes or "admin" in self.scopes


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tokens: tuple[Token, ...]


class TokenFile:
    """The tokens of a file, read anew where it has changed."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds. Raises CredentialsError where the file does not hold tokens."""
        self._path = path
        self._clock = clock
        self._stamp: tuple[int, ...] | None = _stamp(path)
        """What the file looked like when it was read; None where there was none."""
        self._tokens = _parse(path)
        if not self._tokens:
            raise CredentialsError(f"`{path}` holds no tokens: add a [[tokens]].")
        self._is_sound = True
        self._read_at = clock()
        self._complained_at: float | None = None
        """When it was last logged that the file cannot be used; None while it can."""
        _BROKEN.set(0)

    def find_refusal(self, authorization: str, scope: Scope) -> LastlayerError | None:
        """Return why a call with this `authorization` metadata may not do what needs `scope`; None where it may.

        What was wrong with a token is not told: who guesses learns nothing.
        """
        presented = _presented(authorization)
        if not presented:
            return UnauthenticatedError("This call needs a token: send the metadata `authorization: Bearer TOKEN`.")
        found = self._find(presented)
        if found is None or not found.is_valid(datetime.datetime.now(datetime.UTC)):
            if found is not None:
                _log.warning("the token of `%s` has expired", found.name)
            return UnauthenticatedError("The token is not valid.")
        if not found.allows(scope):
            _log.warning("the token of `%s` was used for what needs the scope %s", found.name, scope)
            return PermissionDeniedError(f"This call needs a token with the scope `{scope}`.")
        return None

    def allows(self, authorization: str, scope: Scope) -> bool:
        """Return whether a call with this `authorization` metadata may do what needs `scope`; nothing is logged."""
        presented = _presented(authorization)
        found = self._find(presented) if presented else None
        return found is not None and found.is_valid(datetime.datetime.now(datetime.UTC)) and found.allows(scope)

    def _find(self, presented: str) -> Token | None:
        digest = hashlib.sha256(presented.encode()).hexdigest()
        # What time this takes tells nothing of a token: nobody chooses how its digest begins.
        return self._current().get(digest)

    def _current(self) -> Mapping[str, Token]:
        now = self._clock()
        stamp: tuple[int, ...] | None = None
        try:
            stamp = _stamp(self._path)  # takes a few microseconds
            if stamp != self._stamp or (not self._is_sound and now - self._read_at >= _LOOK_S):
                self._read_at = now
                self._tokens = _parse(self._path)
                self._is_sound, self._complained_at = True, None
                _BROKEN.set(0)
                _log.info("the tokens have been renewed: there are %d", len(self._tokens))
        except CredentialsError as error:
            self._is_sound, self._tokens = False, {}
            _BROKEN.set(1)
            # Every call comes by here.
            if self._complained_at is None or now - self._complained_at >= _COMPLAINT_S:
                self._complained_at = now
                _log.error("nobody is let in until the tokens can be read again: %s", error)
        self._stamp = stamp
        return self._tokens


def _presented(authorization: str) -> str:
    """Return the token of `authorization` metadata; empty where it has none."""
    kind, _, presented = authorization.partition(" ")
    return presented.strip() if kind.lower() == "bearer" else ""


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise CredentialsError(f"`{path}` cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(found.st_mode):  # to open a pipe might take for ever
        raise CredentialsError(f"`{path}` cannot be read: it is no file.")
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _parse(path: Path) -> Mapping[str, Token]:
    """Return the tokens of a file by their digests."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise CredentialsError(f"`{path}` is larger than {_MAX_BYTES // 2**20} MiB; leave out what has expired.")
        tokens = _File.model_validate(tomllib.loads(content.decode("utf-8"))).tokens
        return {token.sha256.lower(): token for token in tokens}
    except OSError as error:
        raise CredentialsError(f"`{path}` cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise CredentialsError(f"`{path}` holds no tokens: its lists are too deep.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CredentialsError(f"`{path}` is not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CredentialsError(
            f"`{path}` holds no tokens, {place}: {first['msg']}; each [[tokens]] has a name, the sha256 of the token in"
            ' hexadecimal, scopes out of "predict" and "admin", and maybe expires.'
        ) from error
