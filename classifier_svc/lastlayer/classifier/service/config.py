"""What the classifier can be told, by its environment or its command line."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from lastlayer.rpc.channel import check_targets, grpc_target
from lastlayer.rpc.settings import File, ServiceSettings, host_port


class ClassifierSettings(ServiceSettings):
    """The classifier's settings."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_", populate_by_name=True)

    address: Annotated[str, host_port("127.0.0.1:50052")] = Field(
        "127.0.0.1:50052", description="HOST:PORT to listen on"
    )
    featurizer: Annotated[str, AfterValidator(check_targets)] = Field(
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
        return grpc_target(self.featurizer)
