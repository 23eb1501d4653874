"""What the classifier can be told, by its environment or its command line."""

import ipaddress
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from rpc.settings import ServiceSettings

_DNS: Final = "dns:///"


def _is_host_port(value: str) -> bool:
    host, _, port = value.rpartition(":")
    return bool(host and port.isascii() and port.isdigit() and int(port) <= 65535)


def _host_port(value: str) -> str:
    if not _is_host_port(value):
        raise ValueError("HOST:PORT is needed, such as 127.0.0.1:50052")
    return value


def _addresses(value: str) -> str:
    parts = [part.strip() for part in value.split(",")]
    if not all(_is_host_port(part.removeprefix(_DNS)) for part in parts):
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

    address: Annotated[str, AfterValidator(_host_port)] = Field("127.0.0.1:50052", description="HOST:PORT to listen on")
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

    @property
    def store(self) -> str:
        """The URL of the store."""
        return self.store_url or f"sqlite:///{self.home_folder / 'store' / 'lastlayer.db'}"

    @property
    def featurizer_target(self) -> str:
        """The featurizer's address as gRPC names it."""
        parts = self.featurizer.split(",")
        return self.featurizer if len(parts) == 1 else f"ipv{_ip_version(parts[0])}:{self.featurizer}"
