"""What the classifier can be told, by its environment or its command line."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from lastlayer.classifier.prediction.capture.policy import CapturePolicy
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

    capture_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="the share of predicted images, from 0 to 1, of which features, a thumbnail and the checksum are "
        "kept in the pool of the model's dataset, to be labelled; none is where 0",
    )
    capture_per_day: int = Field(100, ge=1, description="the most images that are kept so of a dataset in a day (UTC)")
    capture_days: int = Field(
        30, ge=0, description="after how many days what was kept so is deleted, labelled images excepted; 0 deletes all"
    )
    capture_models: str = Field(
        "", description="the models whose images are kept so, names between commas; those of all models where empty"
    )

    @model_validator(mode="after")
    def _check_capture(self) -> Self:
        if self.capture_share and not self.capture_days:
            raise ValueError("CLASSIFIER_CAPTURE_SHARE keeps images, which CLASSIFIER_CAPTURE_DAYS=0 deletes")
        return self

    @property
    def capture_policy(self) -> CapturePolicy:
        """How much is captured."""
        names = frozenset(name for part in self.capture_models.split(",") if (name := part.strip()))
        return CapturePolicy(self.capture_share, self.capture_per_day, self.capture_days, names)

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
