"""Settings of the services: read from the environment, explained in one sentence where wrong, and listed as a table."""

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from lastlayer.rpc.channel import is_host_port

_LIKENESS: Final = 0.8
"""How like a setting, by difflib's ratio, a variable is that is taken for one misspelt."""


class SettingsError(Exception):
    """A setting is wrong. Its text is one sentence for the user."""


def host_port(example: str) -> AfterValidator:
    """Return the check of a setting that is `HOST:PORT`, such as `example`, or empty where that is its default."""

    def check(value: str) -> str:
        if not is_host_port(value):
            raise ValueError(f"HOST:PORT is needed, such as {example}")
        return value

    return AfterValidator(check)


def _open_services(value: str) -> str:
    names = {name.strip() for name in value.split(",")}
    if not (names == {"none"} or names <= {"health", "reflection"}):
        raise ValueError("`health`, `reflection`, both between commas, or `none` is needed")
    return value


File = Annotated[Path, AfterValidator(Path.expanduser)]


class ServiceSettings(BaseSettings):
    """What both services can be told."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    home: Path = Field(
        Path("~/.lastlayer"),
        validation_alias="LASTLAYER_HOME",
        description="folder for weights, the store and logs",
    )
    grace_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        20, description="how long calls in flight may take to finish when the service stops"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="the least level that is logged"
    )
    log_format: Literal["console", "json"] = Field("console", description="log lines for people, or as JSON")
    metrics_address: Annotated[str, host_port("127.0.0.1:9464")] | None = Field(
        None, description="HOST:PORT to answer Prometheus at, by HTTP; not at all where empty"
    )
    tls_cert: File | None = Field(
        None, description="certificate to serve with, PEM, followed by those of intermediate CAs; no TLS where empty"
    )
    tls_key: File | None = Field(None, description="its key, PEM, not encrypted")
    tls_client_ca: File | None = Field(
        None, description="CA whose certificates clients must show (mutual TLS), PEM; clients need none where empty"
    )
    tokens_file: File | None = Field(
        None,
        description="TOML file of the tokens that calls need: docs/how-to/operate/security.md; none where empty",
    )
    open_services: Annotated[str, AfterValidator(_open_services)] = Field(
        "health", description="what answers without a token: `health`, `reflection`, both between commas, or `none`"
    )

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        prefix = self.model_config.get("env_prefix", "")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(f"{prefix}TLS_CERT and {prefix}TLS_KEY go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError(f"{prefix}TLS_CLIENT_CA needs {prefix}TLS_CERT and {prefix}TLS_KEY")
        return self

    @property
    def open_service_names(self) -> frozenset[str]:
        """What answers without a token, out of `health` and `reflection`."""
        return frozenset(name.strip() for name in self.open_services.split(",")) - {"none"}

    @property
    def home_folder(self) -> Path:
        """The folder of all state, `~` expanded."""
        return self.home.expanduser()


Settings = TypeVar("Settings", bound=BaseSettings)


def load_settings(kind: type[Settings], **overrides: object) -> Settings:
    """Return the settings of a service from the environment; `overrides` that are not None win.

    Raises SettingsError, naming the variable and what it accepts.
    """
    if misspelt := _misspelt(kind):
        raise SettingsError(misspelt)
    try:
        return kind(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:  # several settings do not fit together
            raise SettingsError(f"{first['msg'].removeprefix('Value error, ')}.") from error
        name = str(first["loc"][0])
        variable = name if name.isupper() else _variable(kind, name)
        message = re.sub(r"^\w+ should", "it should", first["msg"].removeprefix("Value error, "))
        raise SettingsError(f"{variable} is `{first['input']}`, but {message}.") from error


def _misspelt(kind: type[BaseSettings]) -> str:
    """Return which variable of the environment is nearly a setting of a service; empty where none is.

    What is like no setting is somebody else's, such as FEATURIZER_PORT, which Kubernetes sets for such a service.
    """
    known = [_variable(kind, name) for name in kind.model_fields]
    prefix = str(kind.model_config.get("env_prefix", ""))
    for variable in sorted(os.environ):
        if variable.upper().startswith(prefix) and variable.upper() not in known:
            names = [name.removeprefix(prefix) for name in known if name.startswith(prefix)]
            close = difflib.get_close_matches(variable.upper().removeprefix(prefix), names, n=1, cutoff=_LIKENESS)
            if close:
                return f"There is no setting {variable}; {prefix}{close[0]} is meant, perhaps."
    return ""


def settings_table(kind: type[BaseSettings]) -> str:
    """Return the settings as a Markdown table: variable, default, meaning."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in kind.model_fields.items():
        default = field.default
        shown = "" if default in (None, "", PydanticUndefined) else f"`{default}`"
        lines.append(f"| `{_variable(kind, name)}` | {shown} | {field.description} |")
    return "\n".join(lines)


def _variable(kind: type[BaseSettings], name: str) -> str:
    alias = kind.model_fields[name].validation_alias
    return str(alias) if alias else f"{kind.model_config.get('env_prefix', '')}{name}".upper()
