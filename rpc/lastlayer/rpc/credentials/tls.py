"""TLS by files that may be replaced while they are in use: certificates are renewed without a restart."""

import contextlib
import logging
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc

_log = logging.getLogger(__name__)


class CredentialsError(Exception):
    """A certificate, a key or a token cannot be used. Its text is one sentence for the user, and tells no secret."""


class Pem(NamedTuple):
    """The content of certificate files, each None where there is no such file."""

    certificate: bytes | None
    """Our certificate, followed by those of the CAs between it and the root."""
    key: bytes | None
    ca: bytes | None
    """The certificates of the CAs whose certificates are accepted from the other side."""


class CertificateFiles:
    """Our certificate with its key, and the CA of the other side: PEM files, read anew where they have changed."""

    def __init__(self, certificate: Path | None, key: Path | None, ca: Path | None) -> None:
        """`certificate` and `key` go together. Raises CredentialsError where the files do not hold what they should."""
        self._certificate, self._key, self._ca = certificate, key, ca
        self._complained: Pem | None = None
        self.pem = self._read()
        """What is in use."""
        self._check(self.pem)

    def renew(self) -> Pem | None:
        """Return what the files hold where that is new and sound; what is not is logged, once, and not used."""
        try:
            found = self._read()
            if found == self.pem:
                return None
        except CredentialsError as error:
            self._complain(None, error)
            return None
        try:
            self._check(found)
        except CredentialsError as error:
            self._complain(found, error)
            return None
        self.pem = found
        self._complained = None
        _log.info("the certificates have been renewed")
        return found

    def _complain(self, found: Pem | None, error: CredentialsError) -> None:
        # A certificate may be replaced before its key is: what is in use stays in use.
        marker = found or Pem(None, None, None)
        if self._complained != marker:
            self._complained = marker
            _log.error("the certificates cannot be renewed: %s", error)

    def _read(self) -> Pem:
        return Pem(*(None if path is None else _content(path) for path in (self._certificate, self._key, self._ca)))

    def _check(self, pem: Pem) -> None:
        """Raise CredentialsError where these bytes, and not what the files hold by now, cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if pem.certificate is not None and pem.key is not None:
            try:
                with _as_file(pem.certificate) as certificate, _as_file(pem.key) as key:
                    # Without a password OpenSSL would ask at the terminal for that of an encrypted key.
                    context.load_cert_chain(certificate, key, password=lambda: "")
            except (ssl.SSLError, ValueError, OSError) as error:
                raise CredentialsError(
                    f"`{self._certificate}` and `{self._key}` are not a certificate and its unencrypted key in PEM."
                ) from error
        if pem.ca is not None:
            try:
                context.load_verify_locations(cadata=pem.ca.decode("ascii", "ignore"))
            except (ssl.SSLError, ValueError) as error:
                raise CredentialsError(f"`{self._ca}` holds no CA certificate in PEM.") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"`{path}` cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield the path of a file of this process alone that holds `content`: OpenSSL reads keys from paths only."""
    from tempfile import TemporaryFile  # the client starts sooner without

    # On Linux in memory, so that a key is never on another disk than its own.
    with os.fdopen(os.memfd_create("pem"), "w+b") if hasattr(os, "memfd_create") else TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}"


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Return what a server needs for TLS; where `files` have a CA, clients must show a certificate of it.

    The files are looked at again at each handshake.
    """

    def configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(pem.key or b"", pem.certificate or b"")], pem.ca)

    def renew() -> grpc.ServerCertificateConfiguration | None:
        pem = files.renew()
        return None if pem is None else configuration(pem)

    return grpc.dynamic_ssl_server_credentials(
        configuration(files.pem),
        renew,  # type: ignore[arg-type]  # None stands for what is in use
        require_client_authentication=files.pem.ca is not None,
    )


class _BearerToken(grpc.AuthMetadataPlugin):
    """Sends a token with each call."""

    def __init__(self, token: str | Path) -> None:
        self._token = token

    def __call__(self, _context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        try:
            # A file is read for each call, so that another token can be put into it at any time.
            token = self._token if isinstance(self._token, str) else read_token(self._token)
        except CredentialsError as error:
            callback((), error)
        else:
            callback((("authorization", f"Bearer {token}"),), None)


def channel_credentials(pem: Pem, token: str | Path | None = None) -> grpc.ChannelCredentials:
    """Return what a client needs for TLS; `token` is sent with each call, read from a file where it is a path.

    Without a CA the public ones are accepted. gRPC sends tokens over TLS alone.
    """
    secure = grpc.ssl_channel_credentials(pem.ca, pem.key, pem.certificate)
    if token is None:
        return secure
    return grpc.composite_channel_credentials(secure, grpc.metadata_call_credentials(_BearerToken(token), "bearer"))


def read_token(path: Path) -> str:
    """Return the token that a file holds; raises CredentialsError."""
    text = _content(path).decode("latin-1").strip()
    check_token(text, f"`{path}`")
    return text


def check_token(token: str, source: str) -> None:
    """Raise CredentialsError, without telling it, where this cannot be a token."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError(f"{source} holds no token: printable ASCII characters without spaces are needed.")
