"""What the classifier can be told, by its environment or its command line."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from rpc.settings import ServiceSettings


class ClassifierSettings(ServiceSettings):
    """The classifier's settings."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_", populate_by_name=True)

    address: str = Field("127.0.0.1:50052", pattern=r":\d{1,5}$", description="HOST:PORT to listen on")
    featurizer: str = Field(
        "127.0.0.1:50051",
        min_length=1,
        description="the featurizer: HOST:PORT, or any gRPC target, such as `dns:///featurizer:50051` for several",
    )
    store_url: str = Field(
        "",
        description="SQLAlchemy URL of the store, such as `postgresql+psycopg://user@host/name`; "
        "by default SQLite at `$LASTLAYER_HOME/store/lastlayer.db`",
    )

    @property
    def store(self) -> str:
        """The URL of the store."""
        return self.store_url or f"sqlite:///{self.home_folder / 'store' / 'lastlayer.db'}"
