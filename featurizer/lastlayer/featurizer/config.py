"""What the featurizer can be told, by its environment or its command line."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from lastlayer.rpc.settings import File, ServiceSettings, host_port

EngineName = Literal["tensorflow", "openvino"]
"""What runs the network."""

Precision = Literal["float32", "bfloat16", "float16", "int8"]
"""The numbers that the network computes in."""


class FeaturizerSettings(ServiceSettings):
    """The featurizer's settings."""

    model_config = SettingsConfigDict(env_prefix="FEATURIZER_", populate_by_name=True)

    address: Annotated[str, host_port("127.0.0.1:50051")] = Field(
        "127.0.0.1:50051", description="HOST:PORT to listen on"
    )
    backbone: str = Field(
        "auto",
        validation_alias="LASTLAYER_BACKBONE",
        description="`auto`, the name of a built-in backbone, or the path of a TOML file",
    )
    mirror: File | None = Field(
        None,
        validation_alias="LASTLAYER_MIRROR",
        description="folder asked for weights before the network, with `<backbone>/<file>` or what would be downloaded",
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto",
        description="numbers that the network computes in; `auto` measures at the first start on a machine, and takes "
        "what is fastest and near enough to `float32` for heads (`featurizer tune` shows it). `bfloat16` needs "
        "AVX512-BF16 or AMX; `int8` is made by `featurizer quantize`, or at the start",
    )
    engine: Literal["auto", "tensorflow", "openvino"] = Field(
        "auto",
        description="what runs the network: `openvino` is faster on processors; `auto` measures, as above",
    )
    max_batch_images: Annotated[int, Field(ge=0, le=1024)] = Field(
        0,
        description="the most images that run through the network at once, in three batches (more cost memory); 0 for "
        "12 with OpenVINO and 18 with TensorFlow",
    )
    max_queued_images: Annotated[int, Field(ge=1)] = Field(
        512, description="the most images that wait or are in work before callers are told to come again"
    )
    max_images_per_request: Annotated[int, Field(ge=1, le=10_000)] = Field(
        256, description="the most images that one request may hold"
    )
    max_image_megapixels: Annotated[float, Field(gt=0, le=1000)] = Field(
        64, description="the most pixels that one image may have, in millions"
    )
    decode_threads: Annotated[int, Field(ge=0, le=256)] = Field(
        0, description="threads that decode and resize images; 0 for one per processor"
    )

    @model_validator(mode="after")
    def _check_queue(self) -> Self:
        if self.max_queued_images < self.max_images_per_request:
            raise ValueError("FEATURIZER_MAX_QUEUED_IMAGES must be at least FEATURIZER_MAX_IMAGES_PER_REQUEST")
        return self

    @model_validator(mode="after")
    def _check_engine(self) -> Self:
        if self.precision == "int8" and self.engine == "tensorflow":
            raise ValueError("FEATURIZER_PRECISION=int8 needs FEATURIZER_ENGINE to be openvino or auto")
        return self

    @property
    def weights_folder(self) -> Path:
        """Where weights are kept."""
        return self.home_folder / "weights"

    @property
    def max_image_pixels(self) -> int:
        """The most pixels (width times height) that one image may have."""
        return round(self.max_image_megapixels * 1e6)
