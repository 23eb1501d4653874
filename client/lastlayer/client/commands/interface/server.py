"""The server that a command is for, as its options name it."""

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lastlayer.client.transport.defaults import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from lastlayer.client.api import Client


class Server(NamedTuple):
    """The server that a command is for."""

    address: str
    """`host:port`."""
    timeout_s: float | None
    """How long to wait for each answer; None where not given."""
    tls: bool
    ca: Path | None
    certificate: Path | None
    key: Path | None
    token: str | None
    token_file: Path | None

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> "Server":
        """Return the server that the options of a command name."""
        return cls(
            given["server"],
            given["timeout_s"],
            given["tls"],
            given["tls_ca"],
            given["tls_cert"],
            given["tls_key"],
            given["token"],
            given["token_file"],
        )

    def client(self) -> "Client":
        """Return a client of the server; raises `InvalidInputError`."""
        from lastlayer.client.commands.interface.lazy import import_grpc

        import_grpc()
        from lastlayer.client.api import Client
        from lastlayer.client.transport.channel import Security

        if not gc.isenabled():  # since the program began: images come from here on, maybe very many
            gc.freeze()
            gc.enable()
        if not self.tls and self.ca is None:
            for option, given in (
                ("--tls-cert", self.certificate),
                ("--tls-key", self.key),
                ("--token", self.token),
                ("--token-file", self.token_file),
            ):
                if given is not None:
                    raise click.UsageError(f"{option} goes with --tls-ca FILE, or with --tls for public CAs.")
            security = None
        else:
            token = self.token if self.token is not None else self.token_file
            security = Security(ca=self.ca, certificate=self.certificate, key=self.key, token=token)
        return Client(self.address, timeout_s=self.timeout_s or DEFAULT_TIMEOUT_S, security=security)
