"""What the studio can be told, by its environment or its command line."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lastlayer.rpc.settings import File, host_port

_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]")
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""What a browser on this machine may call the studio."""


def _hosts(value: str) -> str:
    for name in filter(None, (part.strip() for part in value.split(","))):
        if not _HOST.fullmatch(name):
            raise ValueError("names of hosts between commas are needed, without scheme and port")
    return value


class StudioSettings(BaseSettings):
    """The studio's settings."""

    model_config = SettingsConfigDict(
        env_prefix="STUDIO_", frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    address: Annotated[str, host_port("127.0.0.1:8080")] = Field("127.0.0.1:8080", description="HOST:PORT to listen on")
    hosts: Annotated[str, AfterValidator(_hosts)] = Field(
        "",
        description="names between commas by which browsers may call it beside `localhost`, `127.0.0.1` and `[::1]`, "
        "as behind a proxy",
    )
    classifier: Annotated[str, host_port("127.0.0.1:50052")] = Field(
        "127.0.0.1:50052", description="HOST:PORT of the classifier"
    )
    classifier_tls_ca: File | None = Field(
        None, description="CA of the classifier's certificate, PEM; it is called without TLS where empty"
    )
    classifier_tls_cert: File | None = Field(
        None, description="certificate to show to the classifier (mutual TLS), PEM; none where empty"
    )
    classifier_tls_key: File | None = Field(None, description="its key, PEM, not encrypted")
    grace_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        5, description="how long requests in flight may take to finish when the service stops"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="the least level that is logged"
    )
    log_format: Literal["console", "json"] = Field("console", description="log lines for people, or as JSON")

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.classifier_tls_cert is None) != (self.classifier_tls_key is None):
            raise ValueError("STUDIO_CLASSIFIER_TLS_CERT and STUDIO_CLASSIFIER_TLS_KEY go together")
        if self.classifier_tls_cert is not None and self.classifier_tls_ca is None:
            raise ValueError("STUDIO_CLASSIFIER_TLS_CERT needs STUDIO_CLASSIFIER_TLS_CA")
        return self

    @property
    def host_names(self) -> frozenset[str]:
        """All names by which browsers may call it, in lower case."""
        more = filter(None, (part.strip().lower() for part in self.hosts.split(",")))
        return LOOPBACK_HOSTS | frozenset(more)
