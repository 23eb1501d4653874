"""What the classifier can be told, by its environment or its command line."""

import ipaddress
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from lastlayer.rpc.settings import File, ServiceSettings, host_port, is_host_port

_DNS: Final = "dns:///"


def _addresses(value: str) -> str:
    parts = [part.strip() for part in value.split(",")]
    if not all(is_host_port(part.removeprefix(_DNS)) for part in parts):
        raise ValueError("HOST:PORT, dns:///NAME:PORT, or several addresses and ports between commas are needed")
    if len(parts) > 1 and {_ip_version(part) for part in parts} not in ({4}, {6}):
        raise ValueError("a list needs IP addresses, all IPv4 or all IPv6; for names use one dns:///NAME:PORT")
    return ",".join(parts)


def _ip_version(address: str) -> int:
    """Return 4 or 6, or 0 for a name."""
    try:
        return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).version
    except ValueError:
        return 0


class ClassifierSettings(ServiceSettings):
    """The classifier's settings."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_", populate_by_name=True)

    address: Annotated[str, host_port("127.0.0.1:50052")] = Field(
        "127.0.0.1:50052", description="HOST:PORT to listen on"
    )
    featurizer: Annotated[str, AfterValidator(_addresses)] = Field(
        "127.0.0.1:50051",
        description="where the featurizer is: HOST:PORT, `dns:///NAME:PORT` to balance over all its addresses, or a "
        "list of IP addresses and ports between commas",
    )
    store_url: str = Field(
        "",
        description="where data is kept: `sqlite:///PATH` or `postgresql+psycopg://USER@HOST/DATABASE`; "
        "`store/lastlayer.db` in the home folder where empty",
    )

    featurizer_tls_ca: File | None = Field(
        None, description="CA of the featurizer's certificate, PEM; it is called without TLS where empty"
    )
    featurizer_tls_cert: File | None = Field(
        None, description="certificate to show to the featurizer (mutual TLS), PEM; none where empty"
    )
    featurizer_tls_key: File | None = Field(None, description="its key, PEM, not encrypted")
    featurizer_token_file: File | None = Field(
        None, description="file with the token to send to the featurizer; none is sent where empty"
    )

    @model_validator(mode="after")
    def _check_featurizer(self) -> Self:
        if (self.featurizer_tls_cert is None) != (self.featurizer_tls_key is None):
            raise ValueError("CLASSIFIER_FEATURIZER_TLS_CERT and CLASSIFIER_FEATURIZER_TLS_KEY go together")
        if self.featurizer_tls_ca is None:
            for name in ("tls_cert", "token_file"):
                if getattr(self, f"featurizer_{name}") is not None:
                    raise ValueError(f"CLASSIFIER_FEATURIZER_{name.upper()} needs CLASSIFIER_FEATURIZER_TLS_CA")
        elif "," in self.featurizer:
            raise ValueError(
                "CLASSIFIER_FEATURIZER must be one dns:///NAME:PORT with TLS, as certificates are of names"
            )
        return self

    @property
    def store(self) -> str:
        """The URL of the store."""
        return self.store_url or f"sqlite:///{self.home_folder / 'store' / 'lastlayer.db'}"

    @property
    def featurizer_target(self) -> str:
        """The featurizer's address as gRPC names it."""
        parts = self.featurizer.split(",")
        return self.featurizer if len(parts) == 1 else f"ipv{_ip_version(parts[0])}:{self.featurizer}"
