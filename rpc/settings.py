"""Settings of the services: read from the environment, explained in one sentence where wrong, and listed as a table."""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """A setting is wrong. Its text is one sentence for the user."""


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

    @property
    def home_folder(self) -> Path:
        """The folder of all state, `~` expanded."""
        return self.home.expanduser()


Settings = TypeVar("Settings", bound=ServiceSettings)


def load_settings(kind: type[Settings], **overrides: object) -> Settings:
    """Return the settings of a service from the environment; `overrides` that are not None win.

    Raises SettingsError, naming the variable and what it accepts.
    """
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


def settings_table(kind: type[ServiceSettings]) -> str:
    """Return the settings as a Markdown table: variable, default, meaning."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in kind.model_fields.items():
        default = field.default
        shown = "" if default is None or default is PydanticUndefined else f"`{default}`"
        lines.append(f"| `{_variable(kind, name)}` | {shown} | {field.description} |")
    return "\n".join(lines)


def _variable(kind: type[ServiceSettings], name: str) -> str:
    alias = kind.model_fields[name].validation_alias
    return str(alias) if alias else f"{kind.model_config.get('env_prefix', '')}{name}".upper()
